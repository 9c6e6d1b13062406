import type { Failure } from "../../schema/wire/failures.ts";

/** A failure as text or JSON of a bounded size, in whole lines. */

const encoder = new TextEncoder();

function sizeOf(text: string): number {
	return encoder.encode(text).byteLength;
}

/** A longer line is cut: it must not take the room of all others. */
const MOST_CHARACTERS = 300;

/** The most important sections first: those at the end are left out first, but for the commands. */
export function failureText(failure: Failure, most: number): string {
	const next = ["", "Next:", ...failure.next.map((command) => `  ${command}`)].map(cut);
	const room = most - sizeOf(`${next.join("\n")}\n`);
	const lines: string[] = [];
	let size = 0;
	for (const line of linesOf(failure).map(cut)) {
		size += sizeOf(line) + 1;
		if (size > room) break;
		lines.push(line);
	}
	return `${[...lines, ...next].join("\n")}\n`;
}

function cut(line: string): string {
	return line.length > MOST_CHARACTERS ? `${line.slice(0, MOST_CHARACTERS - 1).toWellFormed()}…` : line;
}

function linesOf(failure: Failure): string[] {
	const { run, cause, tests, log, step, others, since, before } = failure;
	return [
		`${run.project} #${run.number} ${run.state}: ${cause}`,
		...(before ? [before] : []),
		...(since ? [sinceText(since)] : []),
		...testLines(tests),
		...(log.length > 0 ? ["", `Log of ${step?.name ?? "the job"}:`] : []),
		...logLines(log),
		...(since && since.commits.length > 0 ? ["", `Commits since #${since.run.number}:`] : []),
		...(since?.commits ?? []).map(({ sha, subject, author }) => `  ${sha.slice(0, 8)} ${subject} (${author})`),
		...(others.length > 0 ? ["", "Also failed:"] : []),
		...others.map(({ name, state, reason }) => `  ${name}: ${reason ?? state}`),
	];
}

/** `Changed since #39: 2 commits; agent: a → b.` */
function sinceText({ run, commits, changes }: NonNullable<Failure["since"]>): string {
	const many = commits.length === 0 ? [] : [`${commits.length} commit${commits.length === 1 ? "" : "s"}`];
	const all = [...many, ...changes];
	return `Changed since #${run.number}, the last success: ${all.length === 0 ? "nothing that Windlass knows of" : all.join("; ")}.`;
}

function testLines(tests: Failure["tests"]): string[] {
	if (!tests) return [];
	const [first, ...more] = tests.items;
	if (!first) return [];
	const named = ({ suite, name, newly_failing, flaky }: typeof first) =>
		`${suite ? `${suite} › ${name}` : name}${newly_failing ? " (new)" : ""}${flaky ? " (flaky)" : ""}`;
	const detail = [first.message, first.output].flatMap((text) => (text ? text.trimEnd().split("\n") : []));
	const hidden = tests.failed - 1 - more.length;
	return [
		"",
		`Failed test: ${named(first)}`,
		...detail.map((line) => `  ${line}`),
		...more.map((one) => `Also: ${named(one)}`),
		...(hidden > 0 ? [`and ${hidden} more`] : []),
	];
}

/** The lines with their numbers; a gap has a mark. */
function logLines(log: Failure["log"]): string[] {
	const width = String(log.at(-1)?.line ?? 0).length;
	return log.flatMap(({ line, text }, index) => {
		const before = log[index - 1];
		const gap = before && before.line + 1 < line ? [`${" ".repeat(width)} …`] : [];
		return [...gap, `${String(line).padStart(width)} ${text}`];
	});
}

/** The failure as JSON: what is not needed first goes first, whole items and lines at a time. */
export function failureJson(failure: Failure, most: number): string {
	const shown: Failure = structuredClone(failure);
	const text = () => `${JSON.stringify(shown)}\n`;
	const lists = [
		() => shown.others,
		() => shown.since?.commits ?? [],
		() => (shown.tests?.items.slice(1).length === 0 ? [] : (shown.tests?.items ?? [])),
		() => shown.log,
		() => shown.since?.changes ?? [],
		() => shown.next,
		() => shown.tests?.items ?? [],
	];
	for (const list of lists) while (sizeOf(text()) > most && list().length > 0) list().pop();
	if (sizeOf(text()) > most) shown.cause = shown.cause.slice(0, Math.max(0, shown.cause.length - (sizeOf(text()) - most)));
	return text();
}
