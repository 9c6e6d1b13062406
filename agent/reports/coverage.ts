import type { CoverageTotals } from "../../schema/wire/resources.ts";
import type { ReportFile } from "./report_file.ts";
import { xmlReader } from "./xml.ts";

/** How much of the code was run, in the three formats that most tools can write. What several files say of the same line is put together. */

const MAX_LINES = 5_000_000;

/** Lines of files: whether each was run. */
class Lines {
	readonly #files = new Map<string, Map<string, { weight: number; isCovered: boolean }>>();
	#count = 0;

	add(file: string, place: string, isCovered: boolean, weight = 1): void {
		let lines = this.#files.get(file);
		if (!lines) {
			lines = new Map();
			this.#files.set(file, lines);
		}
		const known = lines.get(place);
		if (known) {
			known.isCovered ||= isCovered;
			return;
		}
		this.#count += 1;
		if (this.#count > MAX_LINES) throw new Error(`it has more than ${MAX_LINES} lines`);
		lines.set(place, { weight, isCovered });
	}

	get totals(): CoverageTotals {
		const totals = { covered: 0, lines: 0 };
		for (const lines of this.#files.values()) {
			for (const { weight, isCovered } of lines.values()) {
				totals.lines += weight;
				if (isCovered) totals.covered += weight;
			}
		}
		return totals;
	}
}

/** The sum of these reports. @throws Error for what is not in the format */
export async function readCoverage(format: "lcov" | "cobertura" | "go", files: readonly ReportFile[]): Promise<CoverageTotals> {
	const lines = new Lines();
	for (const file of files) await READERS[format](file, lines);
	if (lines.totals.lines === 0) throw new Error("it speaks of no line");
	return lines.totals;
}

const READERS = { lcov: readLcov, cobertura: readCobertura, go: readGo };

/** geninfo(1): SF names a file, DA a line and how often it was run. */
async function readLcov(report: ReportFile, lines: Lines): Promise<void> {
	let file = "";
	for await (const line of report.lines()) {
		if (line.startsWith("SF:")) file = line.slice(3);
		const [, number, hits] = /^DA:(\d+),(\d+)/.exec(line) ?? [];
		if (number !== undefined) lines.add(file, number, Number(hits) > 0);
	}
}

/** `go test -coverprofile`: file:line.column,line.column statements count. Statements count, as in `go tool cover`. */
async function readGo(report: ReportFile, lines: Lines): Promise<void> {
	for await (const line of report.lines()) {
		if (line.trim() === "" || line.startsWith("mode:")) continue;
		const [, file, place, statements, count] = /^(.+):(\d+\.\d+,\d+\.\d+) (\d+) (\d+)$/.exec(line) ?? [];
		if (file === undefined || place === undefined) throw new Error(`it has the line ${JSON.stringify(line.slice(0, 100))}`);
		lines.add(file, place, Number(count) > 0, Number(statements));
	}
}

const parseXml = xmlReader(["class", "line"]);

interface Class {
	"@filename"?: string;
	lines?: { line?: { "@number"?: string; "@hits"?: string }[] };
}

async function readCobertura(report: ReportFile, lines: Lines): Promise<void> {
	const document = parseXml(await report.text());
	if (document.coverage === undefined) throw new Error("it has no coverage element");
	for (const one of classesIn(document.coverage)) {
		for (const line of one.lines?.line ?? []) lines.add(one["@filename"] ?? "", line["@number"] ?? "", Number(line["@hits"]) > 0);
	}
}

function* classesIn(element: unknown): Generator<Class> {
	if (Array.isArray(element)) for (const one of element) yield* classesIn(one);
	else if (typeof element === "object" && element !== null) {
		for (const [name, value] of Object.entries(element)) {
			if (name === "class") yield* value as Class[];
			else if (!name.startsWith("@")) yield* classesIn(value);
		}
	}
}
