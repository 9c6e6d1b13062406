import { expect, test } from "vitest";
import { renderLines } from "../../worker/logs/pages/log_lines.tsx";

const STAMP = "2026-01-02T03:04:05.678Z ";

test.each([
	["::group::Install", "group", "Install"],
	["##[group]Install", "group", "Install"],
	["::endgroup::", "endgroup", ""],
	["##[endgroup]", "endgroup", ""],
	["section_start:1560896352:install\r\u001b[0KInstall it", "group", "Install it"],
	["\u001b[0Ksection_start:1560896352:install[collapsed=true]\r\u001b[0K\u001b[36mInstall\u001b[0m", "group", '<span class="'],
	["section_start:1560896352:install\r\u001b[0K", "group", "install"],
	["section_end:1560896353:install\r\u001b[0K", "endgroup", ""],
	["--- Install", "group", "Install"],
	["+++ :hammer: Build", "group", ":hammer: Build"],
	["~~~ Clean", "group", "Clean"],
])("the line %j is shown as a mark of a group", (line, kind, label) => {
	const [html = ""] = [renderLines([STAMP + line], 1)];
	expect(html).toContain(`class="${kind}"`);
	expect(html).toContain(`<span>${label}`);
	expect(html).not.toContain("section_");
});

test.each([
	"--- a/src/main.c",
	"+++ b/src/main.c",
	"--- /dev/null",
	"--- old.txt\t2026-01-01",
	"---",
	"----- x",
	"+++",
	"section_start:x:y",
	"a ::group::",
])("the line %j is output: it is no mark", (line) => {
	const html = renderLines([STAMP + line], 1);
	expect(html).toContain('<li id="L1"><a');
	expect(html).toContain(line.split("\t")[0]);
});
