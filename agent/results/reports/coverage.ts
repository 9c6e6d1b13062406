import { realpath } from "node:fs/promises";
import type { CoverageTotals } from "../../../schema/wire/resources.ts";
import type { ConfinedFolder } from "../../files/confined_folder.ts";
import { readCobertura } from "./cobertura.ts";
import { CoverageLines } from "./coverage_lines.ts";
import { ReportError } from "./report_error.ts";
import type { ReportFile } from "./report_file.ts";

type Reader = (report: ReportFile, lines: CoverageLines, workspace: ConfinedFolder) => Promise<void>;

const READERS: Readonly<Record<"lcov" | "cobertura" | "go", Reader>> = { lcov: readLcov, cobertura: readCobertura, go: readGo };

/** Sums up coverage reports. @throws ReportError if the format is wrong */
export async function readCoverage(
	format: "lcov" | "cobertura" | "go",
	files: readonly ReportFile[],
	workspace: ConfinedFolder,
): Promise<CoverageTotals> {
	// Tools name files by their real paths, too.
	const lines = new CoverageLines([...workspace.names, await realpath(workspace.place)]);
	for (const file of files) await READERS[format](file, lines, workspace);
	return lines.totals;
}

/**
 * gcov writes these in place of a count for code that never ran; lcov writes "-" for branches of
 * such code.
 */
const NEVER_RUN = new Set(["-", "#####", "=====", "%%%%%", "$$$$$"]);

/**
 * geninfo(1): SF names a file; DA has a line, how often it ran, and perhaps a checksum. As in lcov,
 * a negative count is none.
 */
async function readLcov(report: ReportFile, lines: CoverageLines): Promise<void> {
	let file = "";
	let number = 0;
	for await (const line of report.lines()) {
		number += 1;
		if (line.startsWith("SF:")) file = lines.nameOf(line.slice(3).trim());
		if (!line.startsWith("DA:")) continue;
		const [place = "", count = ""] = line
			.slice(3)
			.split(",", 2)
			.map((one) => one.trim());
		const hits = NEVER_RUN.has(count) ? 0 : count === "" ? Number.NaN : Number(count);
		if (!/^-?\d+$/.test(place) || Number.isNaN(hits)) {
			throw new ReportError(`${JSON.stringify(line)} has no line number and count. Write DA:<line>,<count>.`, number);
		}
		// gcov uses line 0 for code that belongs to no line.
		if (Number(place) > 0) lines.add(file, String(Number(place)), hits > 0);
	}
}

/**
 * `go test -coverprofile`: file:line.column,line.column statements count. Statements count, as in
 * `go tool cover`.
 */
async function readGo(report: ReportFile, lines: CoverageLines): Promise<void> {
	let number = 0;
	for await (const line of report.lines()) {
		number += 1;
		if (line.trim() === "" || line.startsWith("mode:")) continue;
		const [, file, place, statements, count] = /^(.+):(\d+\.\d+,\d+\.\d+) (\d{1,9}) (\d+)$/.exec(line) ?? [];
		if (file === undefined || place === undefined) {
			const problem = `it has the line ${JSON.stringify(line)}. Name what go test -coverprofile writes.`;
			throw new ReportError(problem, number);
		}
		lines.add(lines.nameOf(file), place, Number(count) > 0, Number(statements));
	}
}
