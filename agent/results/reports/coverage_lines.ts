import path from "node:path";
import type { CoverageTotals } from "../../../schema/wire/resources.ts";
import { ReportError } from "./report_error.ts";

const MAX_LINES = 5_000_000;
/** A longer name is not a path. */
const MAX_NAME = 4_096;

/** The lines of one file by their positions: whether each was run, and how much it counts. */
type FileLines = Map<string, { weight: number; isCovered: boolean }>;

/** Lines of files. A line of several reports counts once, whatever names they give its file. */
export class CoverageLines {
	readonly #files = new Map<string, FileLines>();
	/** The absolute paths of the workspace, on the host and for the steps. */
	readonly #roots: readonly string[];
	#count = 0;

	constructor(roots: readonly string[]) {
		this.#roots = roots.map((root) => root.replace(/\/+$/, ""));
	}

	/** @throws ReportError if the lines are too many */
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
		if (this.#count > MAX_LINES) throw new ReportError(`it has more than ${MAX_LINES} lines. Leave out generated code and dependencies.`);
		lines.set(place, { weight, isCovered });
	}

	/** The name of a file from the workspace on; an absolute path if it lies outside. */
	nameOf(file: string): string {
		if (file.length > MAX_NAME) return file;
		const name = path.posix.normalize(file.replaceAll("\\", "/"));
		const root = this.#roots.find((one) => name.startsWith(`${one}/`));
		return root === undefined ? name : name.slice(root.length + 1);
	}

	get totals(): CoverageTotals {
		const totals = { covered: 0, lines: 0 };
		for (const lines of this.#distinctFiles()) {
			for (const { weight, isCovered } of lines.values()) {
				totals.lines += weight;
				if (isCovered) totals.covered += weight;
			}
		}
		return totals;
	}

	/**
	 * Each file once: a path of another machine or container ends with the file's name in the
	 * workspace.
	 */
	#distinctFiles(): FileLines[] {
		const distinct = new Map<string, FileLines>();
		for (const [name, lines] of this.#files) {
			const own = isAbsolute(name) ? (this.#relativeNameOf(name) ?? name) : name;
			const known = distinct.get(own);
			if (known) mergeInto(known, lines);
			else distinct.set(own, new Map(lines));
		}
		return [...distinct.values()];
	}

	#relativeNameOf(name: string): string | null {
		if (name.length > MAX_NAME) return null;
		for (let at = name.indexOf("/"); at !== -1; at = name.indexOf("/", at + 1)) {
			const relative = name.slice(at + 1);
			if (this.#files.has(relative)) return relative;
		}
		return null;
	}
}

/** Whether a name begins at the root of a machine, Windows included. */
export function isAbsolute(name: string): boolean {
	return /^([A-Za-z]:)?\//.test(name);
}

function mergeInto(known: FileLines, lines: FileLines): void {
	for (const [place, { weight, isCovered }] of lines) {
		const before = known.get(place);
		known.set(place, { weight, isCovered: isCovered || (before?.isCovered ?? false) });
	}
}
