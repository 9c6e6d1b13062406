import { stripVTControlCharacters } from "node:util";
import type { TestCase } from "../../../schema/wire/resources.ts";
import { LibtestRun } from "./libtest_run.ts";
import { RecentText } from "./recent_text.ts";
import { ReportError } from "./report_error.ts";
import type { ReportFile } from "./report_file.ts";
import { addCase, plainCase } from "./test_cases.ts";

/**
 * The output of `cargo test`: the text of libtest, or its JSON (`--format json`, an event a line:
 * https://github.com/rust-lang/rust/blob/master/library/test/src/formatters/json.rs). Cargo's own
 * lines may stand between.
 */

const TEST = /^test (\S.*?) \.\.\.(?: (.*))?$/;
/** The text adds these to names; the JSON and the list of failed tests do not. */
const MODE = / - (should panic|compile fail|compile)$/;
const RESULT_WORD = /^(?:(ok|FAILED|ignored)(?:, (.*)| \([^()]*\))?(?: <([\d.]+)s>)?$|bench: )/;
const RESULT = /^test result: (ok|FAILED)\. (\d{1,9}) passed; (\d{1,9}) failed; (\d{1,9}) ignored;/;
const BINARY = /^\s*Running (?:unittests )?(\S+)(?: \(([^()]+)\))?$/;
const NOT_BUILT = /^error: could not compile `([^`]{1,200})`/;
const BUILD = "(build)";

/** The cases of a report. @throws ReportError if it is not output of libtest */
export async function readLibtest(file: ReportFile): Promise<TestCase[]> {
	const reader = new LibtestReader();
	for await (const line of file.lines()) reader.push(line);
	return reader.cases();
}

class LibtestReader {
	readonly #cases: TestCase[] = [];
	/** The binary that cargo runs next. */
	#suite = "";
	#run: LibtestRun | null = null;
	/** The lines outside of runs: those of cargo and of the compiler. */
	readonly #outside = new RecentText();
	#isKnown = false;

	push(line: string): void {
		const event = eventOf(line);
		if (event) this.#onEvent(event);
		else this.#onLine(stripVTControlCharacters(line));
	}

	cases(): TestCase[] {
		if (!this.#isKnown) throw new ReportError("it holds no tests of libtest. Write what `cargo test` prints to this file.");
		this.#end(null);
		return this.#cases;
	}

	#begin(planned: number | null): LibtestRun {
		this.#end(null);
		this.#isKnown = true;
		this.#run = new LibtestRun(this.#suite, planned);
		return this.#run;
	}

	#end(totals: { passed: number; failed: number } | null): void {
		for (const one of this.#run?.end(totals, this.#outside.text) ?? []) addCase(this.#cases, one);
		this.#run = null;
	}

	#onEvent({ type, event, name, seconds, text, count, passed, failed }: Event): void {
		if (type === "suite") {
			if (event === "started") this.#begin(count);
			else if (event === "ok" || event === "failed") this.#end({ passed: passed ?? 0, failed: failed ?? (event === "failed" ? 1 : 0) });
			return;
		}
		if (name === null) return;
		const run = this.#run ?? this.#begin(null);
		if (type === "bench") run.endTest(name, "passed", null, null);
		else if (event === "started") run.beginTest(name);
		else if (event === "ok") run.endTest(name, "passed", seconds, null);
		else if (event === "failed") run.endTest(name, "failed", seconds, text);
		else if (event === "ignored") run.endTest(name, "skipped", seconds, text);
	}

	#onLine(line: string): void {
		const [, planned] = /^running (\d{1,9}) tests?$/.exec(line) ?? [];
		const result = RESULT.exec(line);
		const binary = BINARY.exec(line);
		const [, documented] = /^\s*Doc-tests (\S+)$/.exec(line) ?? [];
		const [, notBuilt] = NOT_BUILT.exec(line) ?? [];
		if (planned !== undefined) this.#begin(Number(planned));
		else if (result) {
			this.#run ??= this.#begin(null);
			this.#end({ passed: Number(result[2]), failed: Math.max(Number(result[3]), result[1] === "FAILED" ? 1 : 0) });
		} else if (binary) this.#suite = binaryName(binary[2] ?? (binary[1] as string));
		else if (documented !== undefined) this.#suite = `${documented} (doc tests)`;
		else if (notBuilt !== undefined) {
			this.#isKnown = true;
			const output = `${this.#outside.text}${line}\n`;
			addCase(this.#cases, { ...plainCase(notBuilt, BUILD, "failed", line), output });
		} else if (this.#run === null && !TEST.test(line)) this.#outside.add(`${line}\n`);
		else onLineOfRun(this.#run ?? this.#begin(null), line);
	}
}

function onLineOfRun(run: LibtestRun, line: string): void {
	const [, said, rest] = TEST.exec(line) ?? [];
	const name = said?.replace(MODE, "");
	const [word, result = "ok", reason, seconds] = RESULT_WORD.exec(name === undefined ? line : (rest ?? "")) ?? [];
	if (name !== undefined) run.beginTest(name);
	const state = STATES[result] ?? "passed";
	if (word !== undefined) run.endTest(name ?? null, state, seconds === undefined ? null : Number(seconds), reason ?? null);
	else if (name === undefined) run.readLine(line);
}

const STATES: Readonly<Record<string, TestCase["state"]>> = { ok: "passed", FAILED: "failed", ignored: "skipped" };

/** target/debug/deps/name-0123456789abcdef: the hash differs in every build. */
function binaryName(path: string): string {
	const name = path.split(/[\\/]/).at(-1) ?? path;
	return name.replace(/-[0-9a-f]{16}(\.exe)?$/, "");
}

interface Event {
	type: string;
	event: string;
	name: string | null;
	seconds: number | null;
	/** The output of the test, or why it was ignored. */
	text: string | null;
	count: number | null;
	passed: number | null;
	failed: number | null;
}

function eventOf(line: string): Event | null {
	if (!line.startsWith("{")) return null;
	let said: Record<string, unknown>;
	try {
		said = JSON.parse(line);
	} catch {
		return null;
	}
	const word = (name: string) => (typeof said[name] === "string" ? (said[name] as string) : null);
	const number = (name: string) => (typeof said[name] === "number" ? (said[name] as number) : null);
	const type = word("type");
	if (type === null || !["suite", "test", "bench"].includes(type)) return null;
	const text = [word("stdout"), word("message"), word("reason")].filter(Boolean).join("\n") || null;
	const counts = { count: number("test_count"), passed: number("passed"), failed: number("failed") };
	return { type, event: word("event") ?? "", name: word("name"), seconds: number("exec_time"), text, ...counts };
}
