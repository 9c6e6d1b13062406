import path from "node:path";
import { ConfinedFileError } from "../../files/confined_file_error.ts";
import type { ConfinedFolder } from "../../files/confined_folder.ts";
import { type CoverageLines, isAbsolute } from "./coverage_lines.ts";
import { readNumber } from "./numbers.ts";
import { ReportError } from "./report_error.ts";
import type { ReportFile } from "./report_file.ts";
import { scanXml, type XmlHandler } from "./xml_scanner.ts";

/**
 * Cobertura's XML. Some tools name the lines of a class, some those of its methods, some both: each
 * line counts once.
 */

const MAX_SOURCES = 20;
/** The number of files that are looked up in the folders of a report. */
const MAX_LOOKUPS = 10_000;

/** Adds the lines of a report. @throws ReportError if the format is wrong */
export async function readCobertura(report: ReportFile, lines: CoverageLines, workspace: ConfinedFolder): Promise<void> {
	const reader = new CoberturaReader();
	scanXml(await report.xml(), reader);
	const sources = [...reader.sources].slice(0, MAX_SOURCES);
	let lookups = 0;
	for (const [file, covered] of reader.files) {
		const candidates = isAbsolute(file) ? [file] : sources.map((source) => path.posix.join(source, file));
		let name = candidates.length === 1 ? (candidates[0] as string) : file;
		if (candidates.length > 1) {
			for (const candidate of candidates) {
				lookups += 1;
				if (lookups > MAX_LOOKUPS || !(await isFile(workspace, lines.nameOf(candidate)))) continue;
				name = candidate;
				break;
			}
		}
		const own = lines.nameOf(name);
		for (const [place, isCovered] of covered) lines.add(own, place, isCovered);
	}
}

async function isFile(workspace: ConfinedFolder, name: string): Promise<boolean> {
	try {
		return !isAbsolute(name) && (await workspace.kindOf(name)) !== null;
	} catch (error) {
		if (error instanceof ConfinedFileError) return false;
		throw error;
	}
}

class CoberturaReader implements XmlHandler {
	/** The folders to which the names of files are relative. */
	readonly sources = new Set<string>();
	readonly files = new Map<string, Map<string, boolean>>();
	readonly #elements: string[] = [];
	#lines: Map<string, boolean> | null = null;
	#source = "";

	open(name: string, attributes: ReadonlyMap<string, string>): void {
		if (this.#elements.length === 0 && name !== "coverage") {
			throw new ReportError(`it has no coverage element, but ${name}. Write Cobertura XML.`);
		}
		this.#elements.push(name);
		if (name === "source") this.#source = "";
		else if (name === "class") this.#lines = this.#linesOf(slashed(attributes.get("filename") || attributes.get("name") || ""));
		else if (name === "line" && this.#lines) this.#line(this.#lines, attributes);
	}

	text(text: string): void {
		if (this.#elements.at(-1) === "source") this.#source += text;
	}

	close(): void {
		const name = this.#elements.pop();
		if (name === "class") this.#lines = null;
		const source = slashed(this.#source.trim());
		if (name === "source" && source !== "") this.sources.add(source);
	}

	#linesOf(file: string): Map<string, boolean> {
		const known = this.files.get(file) ?? new Map<string, boolean>();
		this.files.set(file, known);
		return known;
	}

	#line(lines: Map<string, boolean>, attributes: ReadonlyMap<string, string>): void {
		const number = attributes.get("number") ?? "";
		const isCovered = (readNumber(attributes.get("hits")) ?? 0) > 0;
		lines.set(number, isCovered || (lines.get(number) ?? false));
	}
}

function slashed(name: string): string {
	return name.replaceAll("\\", "/");
}
