import { MAX_MATRIX_CELLS } from "../../wire/limits.ts";
import { MATRIX_WORDS, type MatrixText } from "../validate/language.ts";

/** The variants of a job: every combination of its axes, less those that are excluded, and those that are included beside. */

/** The values of one variant, by axis. */
export type Cell = Record<string, string>;

/** What cannot be expanded, and where in the matrix. */
export interface MatrixFault {
	path: string[];
	message: string;
	suggestion: string | null;
}

/** The axes of a matrix, those of its included cells as well. */
export function axesOf(matrix: MatrixText): string[] {
	return [...new Set([...axisEntries(matrix).map(([name]) => name), ...(matrix.include ?? []).flatMap((cell) => Object.keys(cell))])];
}

function axisEntries(matrix: MatrixText): [string, string[]][] {
	return Object.entries(matrix).filter(([key]) => !MATRIX_WORDS.includes(key as never)) as [string, string[]][];
}

/**
 * Expands a matrix whose values are filled in. An entry of `exclude` takes away every combination that has all of its values. One of
 * `include` adds its values to every combination that agrees with it in the axes that both have; one that agrees with none is a further variant.
 */
export function expandMatrix(matrix: MatrixText): { cells: Cell[]; faults: MatrixFault[] } {
	const entries = axisEntries(matrix);
	const total = entries.reduce((product, [, values]) => product * values.length, entries.length > 0 ? 1 : 0);
	if (total > MAX_MATRIX_CELLS) return tooMany(total);
	const names = entries.map(([name]) => name);
	let cells = entries.reduce<Cell[]>(
		(done, [name, values]) => done.flatMap((cell) => values.map((value) => ({ ...cell, [name]: value }))),
		[{}],
	);
	if (entries.length === 0) cells = [];
	const faults: MatrixFault[] = [];
	for (const [index, excluded] of (matrix.exclude ?? []).entries()) {
		const before = cells.length;
		cells = cells.filter((cell) => !agrees(cell, excluded));
		if (cells.length === before)
			faults.push({ path: ["exclude", String(index)], message: "excludes nothing", suggestion: `axes here: ${names.join(", ")}` });
	}
	const further: Cell[] = [];
	for (const included of matrix.include ?? []) {
		const shared = Object.fromEntries(Object.entries(included).filter(([axis]) => names.includes(axis)));
		const agreeing = names.length > 0 ? cells.filter((cell) => agrees(cell, shared)) : [];
		if (agreeing.length === 0) further.push({ ...included });
		for (const cell of agreeing) Object.assign(cell, included);
	}
	const all = distinct([...cells, ...further]);
	if (all.length > MAX_MATRIX_CELLS) return tooMany(all.length);
	if (all.length === 0) faults.push({ path: [], message: "leaves no variant", suggestion: "exclude less" });
	return { cells: all, faults };
}

function tooMany(count: number) {
	const message = `makes ${count} variants; at most ${MAX_MATRIX_CELLS}`;
	return { cells: [], faults: [{ path: [], message, suggestion: "exclude some, or split the job" }] };
}

/** Whether a variant has all of these values. */
export function agrees(cell: Readonly<Cell> | null, wanted: Readonly<Cell>): boolean {
	return Object.entries(wanted).every(([axis, value]) => cell !== null && valueIn(cell, axis) === value);
}

/** A value that a variant has itself: an axis may be called as what every object has, such as `constructor`. */
function valueIn(cell: Readonly<Cell>, axis: string): string | undefined {
	return Object.hasOwn(cell, axis) ? cell[axis] : undefined;
}

/**
 * Whether a selection means one variant at the most, of a matrix whose values may not be filled in yet: what an expression gives may be any value.
 */
export function meansOne(matrix: MatrixText, wanted: Readonly<Cell>): boolean {
	if (axesOf(matrix).every((axis) => valueIn(wanted, axis) !== undefined)) return true;
	const mayAgree = (cell: Cell) =>
		Object.entries(wanted).every(([axis, value]) => valueIn(cell, axis) === value || (valueIn(cell, axis) ?? "").includes("${{"));
	return writtenCells(matrix).filter(mayAgree).length <= 1;
}

/** The variants of a matrix as it is written. Many jobs may ask for those of one. */
function writtenCells(matrix: MatrixText): readonly Cell[] {
	const known = written.get(matrix);
	if (known) return known;
	const { cells } = expandMatrix(matrix);
	written.set(matrix, cells);
	return cells;
}
const written = new WeakMap<MatrixText, readonly Cell[]>();

function distinct(cells: readonly Cell[]): Cell[] {
	const seen = new Set<string>();
	return cells.filter((cell) => {
		const text = JSON.stringify(Object.entries(cell).sort());
		return !seen.has(text) && Boolean(seen.add(text));
	});
}
