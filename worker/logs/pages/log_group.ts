/** A line that begins or ends a group of log lines. */
export interface GroupMark {
	kind: "begins" | "ends";
	/** What the page shows instead of the line: the name of the group, with its colors. */
	label: string;
}

/** GitHub Actions and Azure Pipelines: `::group::Install`, `##[group]Install`, `::endgroup::`. */
const COMMAND = /^(?:::|##\[)(end)?group(?:::|\])(.*)$/;
/** GitLab: `section_start:1560896352:install[collapsed=true]\r\e[0KInstall`. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: GitLab's runner writes these characters.
const SECTION = /^(?:\x1b\[0K)?section_(start|end):\d+:([\w.-]+)(?:\[[^\]]*\])?\r?(?:\x1b\[0K)?(.*)$/;
/**
 * Buildkite: `--- Install`, `+++ Test`, `~~~ Clean`. Headers of a diff name a path, and Go's tests
 * write `--- FAIL: TestParse`: these stay.
 */
const HEADER = /^(?:---|\+\+\+|~~~) (?!(?:(?:PASS|FAIL|SKIP|BENCH): |exited |killed |[ab]\/|\/|\S+\t|\S*\.\w+$))(.+)$/;

/** What a line means for the groups of its log; null for a line with output. */
export function groupMark(line: string): GroupMark | null {
	const [, end, name] = COMMAND.exec(line) ?? [];
	if (name !== undefined) return { kind: end ? "ends" : "begins", label: name };
	const [, border, section, label] = SECTION.exec(line) ?? [];
	if (border !== undefined) return { kind: border === "end" ? "ends" : "begins", label: label || (section ?? "") };
	const [, header] = HEADER.exec(line) ?? [];
	return header === undefined ? null : { kind: "begins", label: header };
}
