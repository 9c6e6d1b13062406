import { expect, test } from "vitest";
import { groupMark } from "../../worker/logs/pages/log_group.ts";

test.each([
	["::group::Install", "begins", "Install"],
	["##[group]Install", "begins", "Install"],
	["::endgroup::", "ends", ""],
	["##[endgroup]", "ends", ""],
	["section_start:1560896352:install\r\u001b[0KInstall it", "begins", "Install it"],
	[
		"\u001b[0Ksection_start:1560896352:install[collapsed=true]\r\u001b[0K\u001b[36mInstall\u001b[0m",
		"begins",
		"\u001b[36mInstall\u001b[0m",
	],
	["section_start:1560896352:install\r\u001b[0K", "begins", "install"],
	["section_end:1560896353:install\r\u001b[0K", "ends", "install"],
	["--- Install", "begins", "Install"],
	["+++ :hammer: Build", "begins", ":hammer: Build"],
	["~~~ Clean", "begins", "Clean"],
])("the line %j is a mark of a group", (line, kind, label) => {
	expect(groupMark(line)).toEqual({ kind, label });
});

test.each([
	"--- a/src/main.c",
	"+++ b/src/main.c",
	"--- /dev/null",
	"--- FAIL: TestParse (0.00s)",
	"--- PASS: TestParse/empty (0.00s)",
	"+++ exited with 0 +++",
	"--- old.txt\t2026-01-01",
	"--- Makefile.am",
	"---",
	"----- x",
	"+++",
	"section_start:x:y",
	"a ::group::",
])("the line %j is output, no mark of a group", (line) => {
	expect(groupMark(line)).toBeNull();
});
