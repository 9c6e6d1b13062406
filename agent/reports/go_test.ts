import type { TestCase } from "../../schema/wire/resources.ts";
import type { ReportFile } from "./report_file.ts";

/** What `go test -json` writes: an event a line (https://pkg.go.dev/cmd/test2json). */

interface Event {
	Action?: string;
	Package?: string;
	ImportPath?: string;
	Test?: string;
	Elapsed?: number;
	Output?: string;
}

const MAX_OUTPUT = 64 * 1024;
/** The case that stands for a package whose tests could not be built, or that failed beside its tests. */
const BUILD = "(build)";
const PACKAGE = "(package)";

/** The cases of a report. @throws Error if no line of it is an event */
export async function readGoTest(file: ReportFile): Promise<TestCase[]> {
	const reader = new GoTestReader();
	for await (const line of file.lines()) reader.push(line);
	return reader.cases();
}

/** Puts events together. */
/** The end of a text, of whole lines. */
function lastLines(text: string): string {
	if (text.length <= MAX_OUTPUT) return text;
	return text.slice(text.indexOf("\n", text.length - MAX_OUTPUT) + 1).slice(-MAX_OUTPUT);
}

class GoTestReader {
	readonly #cases = new Map<string, TestCase>();
	readonly #outputs = new Map<string, string>();
	/** Packages that have failed, with what they wrote. */
	readonly #failedPackages = new Set<string>();
	/** What is no event: the compiler's words, where an older go writes them between. */
	#plain = "";
	#hasEvents = false;

	push(line: string): void {
		if (line.trim() === "") return;
		const event = eventOf(line);
		if (!event) {
			this.#plain = lastLines(`${this.#plain}${line}\n`);
			return;
		}
		this.#hasEvents = true;
		const suite = (event.Package ?? event.ImportPath ?? "").replace(/ \[.*\]$/, "");
		const name = event.Test ?? "";
		switch (event.Action) {
			case "output":
				this.#note(suite, name, event.Output);
				break;
			case "build-output":
				this.#note(suite, BUILD, event.Output);
				break;
			case "build-fail":
				this.#set(suite, BUILD, "failed", 0);
				break;
			case "pass":
			case "fail":
			case "skip":
				if (event.Test !== undefined) this.#set(suite, name, STATES[event.Action], event.Elapsed ?? 0);
				else if (event.Action === "fail") this.#failedPackages.add(suite);
				break;
			default:
		}
	}

	cases(): TestCase[] {
		if (!this.#hasEvents) throw new Error("no line of it is an event of go test -json");
		for (const suite of this.#failedPackages) {
			const isExplained = [...this.#cases.values()].some((one) => one.suite === suite && one.state === "failed");
			if (isExplained) continue;
			const output = this.#outputs.get(keyOf(suite, "")) ?? "";
			const isBuild = /\[(build|setup) failed\]/.test(output);
			this.#outputs.set(keyOf(suite, isBuild ? BUILD : PACKAGE), `${isBuild ? this.#plain : ""}${output}`);
			this.#set(suite, isBuild ? BUILD : PACKAGE, "failed", 0);
		}
		return [...this.#cases.values()].map((one) => {
			const output = one.state === "passed" ? null : (this.#outputs.get(keyOf(one.suite, one.name)) ?? null);
			return { ...one, output, message: one.state === "failed" ? firstWords(output) : null };
		});
	}

	#note(suite: string, name: string, output: string | undefined): void {
		const key = keyOf(suite, name);
		this.#outputs.set(key, lastLines(`${this.#outputs.get(key) ?? ""}${output ?? ""}`));
	}

	#set(suite: string, name: string, state: TestCase["state"], seconds: number): void {
		this.#cases.set(keyOf(suite, name), { suite, name, state, duration_ms: seconds * 1000, file: null, message: null, output: null });
	}
}

const STATES = { pass: "passed", fail: "failed", skip: "skipped" } as const;

function keyOf(suite: string, name: string): string {
	return `${suite}\0${name}`;
}

function eventOf(line: string): Event | null {
	if (!line.startsWith("{")) return null;
	try {
		const event = JSON.parse(line) as Event;
		return typeof event.Action === "string" ? event : null;
	} catch {
		return null;
	}
}

/** The first line that says something: the frame that go puts around a test does not. */
function firstWords(output: string | null): string | null {
	const lines = (output ?? "").split("\n").map((line) => line.trim());
	return lines.find((line) => line !== "" && !/^(=== |--- |# |FAIL\b|exit status)/.test(line))?.slice(0, 500) ?? null;
}
