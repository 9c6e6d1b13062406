import { plainText } from "../../schema/text/ansi.ts";

/**
 * The lines of a log that say why a step failed. Tools write the cause in many places: a compiler
 * early, a test runner in the middle, a package manager before pages of advice. So lines are rated by
 * what they say, and the best ones are shown with the lines around them, in the order of the log.
 */

/** A line of a log, by its number counted from 0. */
export interface ExcerptLine {
	number: number;
	text: string;
}

/** The lines that the agent adds to a log. */
export const OWN = /^:: /;

/** Lines that name a cause: an error with its place, a failed test, an uncaught exception. */
const CAUSES: readonly RegExp[] = [
	/^\s*(?:\[?ERROR\]?\s+)?\S*[\w)\]]\.\w{1,5}[:(]\[?\d+[:,]\s?\d+[\]):]*\s*(?:-\s*)?.*\b(?:error|fatal)\b/i,
	/^\s*(?:\S+: )?(?:fatal )?error(?:\[\w+\])?:/i,
	/^\[ERROR\] \S+\.\w+:\[\d+,\d+\]/,
	/^\s*\d+:\d+\s+error\b/,
	/^\S+\.\w{1,5}:\d+(?::\d+)?: (?!warning\b|note\b|info\b)\S/,
	/^E\s{2,}\S/,
	/^\s*--- FAIL:/,
	/^\s*(?:✗|✖|×|✘|●) \S/,
	/^\s*not ok \d+/,
	/^\s*\d+\) \S/,
	/^(?:FAIL|FAILED|ERROR):? \S/,
	/^test .* \.\.\. FAILED$/,
	/^---- .* stdout ----$/,
	/^thread '.*' .*panicked at/,
	/^(?:panic|fatal error): /,
	/^(?:\S+\s)*(?:[\w$]+\.)*[A-Z]\w*(?:Error|Exception|Failure|Interrupt)\b(?:: |$)/,
	/^(?:Caused by|Exception in thread)\b/,
	/AssertionError|assertion .* failed/i,
	/\bundefined (?:reference to|symbol)\b|\bunresolved external\b/,
	/WARNING: DATA RACE|Sanitizer: |Segmentation fault|core dumped|double free|stack smashing/,
	/\bout of memory\b|\bOOM\b|\bKilled\b/i,
	/\b(?:command not found|: not found|No such file or directory|Permission denied|No space left|disk is full)\b/i,
	/\bE(?:ADDRINUSE|CONNREFUSED|ACCES|NOENT|RESOLVE|NOSPC|USAGE)\b/,
	/^\s*!\s+\[.*rejected\]/,
	/^CONFLICT \(/,
	/\bCannot connect to\b|\bcould not (?:be )?(?:found|resolve|read|connect|open)\b/i,
	/^\s*(?:Missing|Invalid): .* (?:from|lock file)/,
	/\bSyntaxError\b|\bParse error\b|\bUndefined name\b|\bCouldn't parse\b/i,
	/\(error\): /,
	/^\s*would reformat /,
	/^\s*\S+\.\w{1,5}:\d+: error: /,
];

/** Lines that report a failure without its cause, or sum up. */
const REPORTS: readonly RegExp[] = [
	/\b[1-9]\d* (?:tests? )?(?:failed|failing|failures?|errors?|problems?)\b/i,
	/\bfail(?:ed|ure|s)\b/i,
	/\berror\b/i,
	/\bfatal\b/i,
	/\bexit(?:ed)? (?:with )?(?:status|code) [1-9]/i,
	/\brefused\b|\btimed? ?out\b|\bunable to\b|\bcannot\b|\baborted\b/i,
	/^\s*(?:expected|received|actual|got|want)\b.*[:=]/i,
];

/** Lines about errors that are no errors, and lines that only pass a failure on. */
const NOISE: readonly RegExp[] = [
	// The agent says the same in the result of the job.
	OWN,
	/\b(?:0|no) (?:errors?|failures?|failed|problems?|warnings?)\b/i,
	/\b(?:errors?|failures?|failed|fail)[:=]? 0\b/i,
	/^\s*(?:✓|✔|√|ok\b|PASS\b|PASSED\b|=== RUN|--- PASS|\[INFO\]|info\b|note:|Compiling|Downloading|Downloaded|Checking)/,
	/\.\.\. ok$|\bPASSED\b|: Passed\b|\bPassed\s+\d/,
	/\bwarn(?:ing)?\b(?!: DATA RACE)|\bDeprecat/i,
	/^(?:npm (?:error|ERR!)) (?:A complete log|code|errno|path|command|Lifecycle|workspace|location|in workspace|at location)/,
	/^(?:npm (?:error|ERR!))\s*$/,
	/^make(?:\[\d+\])?: (?:\*\*\*|Target|Nothing|Entering|Leaving)/,
	/^\[ERROR\]\s*(?:$|-> \[|To see the full|Re-run Maven|For more information|After correcting|After|mvn |Failed to execute goal)/,
	/^\s*(?:\|\s*)?[\w./-]+\s*\|\s*[\d.]+\s*\|/,
	/^\s*at .*node_modules|^\s*at (?:java\.base|org\.junit|jdk\.|node:internal)/,
	/^(?:\++ )/,
	/^\d{4}-\d\d-\d\d[T ][\d:.,]+Z? .*\b(?:INFO|DEBUG|TRACE)\b/,
	/^\s*\[?(?:INFO|DEBUG|TRACE)\b/i,
	/^\s*(?:#|\/\/) /,
	/continue|will retry|retrying/i,
];

/** 2: it names a cause; 1: it reports a failure; 0: neither. */
type Rating = 0 | 1 | 2;

/** A line, as it is rated. */
interface Rated {
	text: string;
	/** Without the name that Docker Compose writes before each line. */
	core: string;
	rating: Rating;
	isNoise: boolean;
	isBlank: boolean;
	/** How far it is indented. */
	indent: number;
}

const CONTEXT_AFTER = 14;
const CONTEXT_BEFORE = 2;
/** A stack above an exception is longer than what stands above another cause. */
const STACK_BEFORE = 7;
/** How far above an indented cause its heading may stand. */
const HEADING_BEFORE = 60;
/** How many lines that only report a failure are shown beside its cause. */
const REPORTS_SHOWN = 3;
/** A shorter line may well appear twice in a block. */
const LEAST_REPEATED = 12;
/** Of a longer line, such as a bundle on one line, the beginning is enough. */
const MOST_CHARACTERS = 400;
/** Where the cause is silent, the last lines are shown. */
const LAST_LINES = 12;

/** The text of a line as a reader sees it: without colors, and only the last state of a progress bar. */
export function visibleText(line: string): string {
	const text = plainText(line).trimEnd();
	return text.slice(text.lastIndexOf("\r") + 1);
}

/**
 * The lines that say why a step failed, at most `limit`, in their order.
 * @param lines the lines of the step, as the log has them
 * @param first the number of the first one
 */
export function excerptOf(lines: readonly string[], first: number, limit: number): ExcerptLine[] {
	const rated = lines.map(rate);
	const chosen = new Set<number>();
	const causes = distinct(rated, 2);
	const reports = distinct(rated, 1);
	addBlocks(chosen, rated, causes, { limit, after: CONTEXT_AFTER });
	if (causes.length === 0) addBlocks(chosen, rated, reports, { limit, after: CONTEXT_BEFORE });
	else for (const index of reports.slice(-REPORTS_SHOWN)) if (chosen.size < limit) chosen.add(index);
	if (chosen.size === 0) for (const index of lastOnes(rated).slice(-Math.min(limit, LAST_LINES))) chosen.add(index);
	return [...chosen].sort((a, b) => a - b).map((index) => ({ number: first + index, text: rated[index]?.text ?? "" }));
}

function shortened(text: string): string {
	return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS - 1)}…` : text;
}

function rate(line: string): Rated {
	const text = shortened(visibleText(line));
	const core = text.replace(/^[\w.-]+\s+\| ?/, "");
	const isBlank = core.trim() === "";
	const isNoise = NOISE.some((pattern) => pattern.test(core));
	const matches = (patterns: readonly RegExp[]) => !isBlank && !isNoise && patterns.some((pattern) => pattern.test(core));
	return { text, core, isBlank, isNoise, rating: matches(CAUSES) ? 2 : matches(REPORTS) ? 1 : 0, indent: core.search(/\S|$/) };
}

/** The lines of a rating; one of several that differ only in numbers, such as the tries of a retry. */
function distinct(rated: readonly Rated[], rating: Rating): number[] {
	const seen = new Set<string>();
	const key = (index: number) => `${rated[index]?.core}\n${rated[index + 1]?.core}`.replace(/\d+/g, "0");
	return rated.flatMap((one, index) => (one.rating === rating && !seen.has(key(index)) && seen.add(key(index)) ? index : []));
}

/** Chooses the found lines, then the lines around each of them, as long as there is room. */
function addBlocks(
	chosen: Set<number>,
	rated: readonly Rated[],
	found: readonly number[],
	{ limit, after: mostAfter }: { limit: number; after: number },
): void {
	const half = Math.ceil(limit / 2);
	const heads = found.length > limit ? [...found.slice(0, half), ...found.slice(half - limit)] : found;
	const add = (index: number) => {
		if (chosen.size < limit) chosen.add(index);
	};
	// A tool that repeats its failures at the end is shown once.
	const shown = new Set<string>();
	const addNear = (index: number) => {
		const core = (rated[index]?.core ?? "").replace(/\d+/g, "0");
		if (!shown.has(core)) add(index);
		if (core.trim().length >= LEAST_REPEATED) shown.add(core);
	};
	for (const index of heads) {
		addNear(index);
		for (const heading of headingsOf(rated, index)) add(heading);
	}
	const around = heads.map((index) => ({ after: linesAfter(rated, index), before: linesBefore(rated, index) }));
	for (let distance = 0; distance < mostAfter; distance += 1) {
		for (const { after, before } of around) {
			for (const near of [after[distance], before[distance]]) if (near !== undefined) addNear(near);
		}
	}
}

/** The lines after a cause that belong to it: after a blank line only indented ones do. */
function linesAfter(rated: readonly Rated[], index: number): number[] {
	const after: number[] = [];
	for (let at = index + 1; at < rated.length && after.length < CONTEXT_AFTER; at += 1) {
		const one = rated[at] as Rated;
		if (one.isBlank) continue;
		const isApart = rated[at - 1]?.isBlank && (one.indent === 0 || rated[at - 2]?.isBlank);
		if (one.isNoise || isApart) break;
		after.push(at);
	}
	return after;
}

const EXCEPTION = /^(?:[\w$]+\.)*[A-Z]\w*(?:Error|Exception)\b/;

/** The lines before a cause that belong to it: the stack of an exception is above it in Python. */
function linesBefore(rated: readonly Rated[], index: number): number[] {
	const isBelowStack = EXCEPTION.test(rated[index]?.core ?? "") && (rated[index - 1]?.indent ?? 0) > 0;
	const before: number[] = [];
	for (let at = index - 1; at >= 0 && before.length < (isBelowStack ? STACK_BEFORE : CONTEXT_BEFORE); at -= 1) {
		const one = rated[at] as Rated;
		if (one.isBlank || one.isNoise || (isBelowStack && one.indent === 0)) break;
		before.push(at);
	}
	return before;
}

/** The line that an indented cause stands below, such as the name of its file; the log of a failed Go test. */
function headingsOf(rated: readonly Rated[], index: number): number[] {
	const one = rated[index] as Rated;
	const [, test] = /^\s*--- FAIL: (\S+)/.exec(one.core) ?? [];
	if (test !== undefined) {
		const begin = rated.findIndex(({ core }) => core.startsWith("=== RUN") && core.endsWith(` ${test}`));
		return begin === -1 ? [] : linesAfter(rated, begin);
	}
	if (one.indent === 0) return [];
	for (let at = index - 1; at >= Math.max(0, index - HEADING_BEFORE); at -= 1) {
		const above = rated[at] as Rated;
		if (!above.isBlank && above.indent < one.indent) return above.isNoise ? [] : [at];
	}
	return [];
}

/** The commands with which scripts clean up. */
const CLEANUP = /^\++ (?:cleanup|clean_up|on_exit|on_error|on_err|finish|teardown)\b/;

/**
 * The lines that say something. A trace of a shell ends before its cleanup: the command before it is
 * the last that ran.
 */
function lastOnes(rated: readonly Rated[]): number[] {
	const cleanup = rated.findLastIndex(({ core }) => CLEANUP.test(core));
	const end = cleanup > 0 ? cleanup : rated.length;
	return rated.flatMap(({ isBlank }, index) => (index < end && !isBlank ? index : []));
}
