import * as z from "zod";
import { MAX_MATRIX_CELLS } from "../../wire/limits.ts";
import type { ValidationError } from "./errors.ts";
import { flag, meant, oneOrMore, template } from "./values.ts";

/**
 * `matrix`: a job becomes matrix jobs, one for each combination of its axes, without the excluded
 * ones, and with the included ones.
 */

const MAX_AXES = 8;
/** The axes of all entries together: each entry may have others. */
const MAX_CELL_AXES = 50;
/** The keys of a matrix that are not axes. */
const MATRIX_WORDS = ["include", "exclude", "fail_fast"] as const;
const axisName = z
	.string()
	.regex(
		/^[A-Za-z_][A-Za-z0-9_]{0,30}$/,
		"The name of an axis has letters, digits and underscores, at most 31, and does not begin with a digit.",
	);
const cell = z.record(axisName, template);
const matrixShape = z
	.object({
		include: z
			.array(cell)
			.max(256)
			.optional()
			.describe("Values for the matrix jobs that agree with an entry; an entry that agrees with none makes a matrix job of its own."),
		exclude: z.array(cell).max(256).optional().describe("Removes the matrix jobs that have all values of an entry."),
		fail_fast: flag.optional().describe("Whether the first matrix job that fails cancels the others. Default: `false`."),
	})
	.catchall(oneOrMore(template, 256).describe("An axis and its values. Every combination of the axes makes a matrix job."))
	.superRefine((value, context) => {
		const add = (message: string, path: string[] = []) => context.addIssue({ code: "custom", path, message });
		const axes = Object.keys(value).filter((key) => !MATRIX_WORDS.includes(key as never));
		for (const name of axes) {
			const checked = axisName.safeParse(name);
			if (!checked.success) add(checked.error.issues[0]?.message ?? "", [name]);
		}
		if (axesOfCells(value) > MAX_CELL_AXES) add(`The entries of a matrix have at most ${MAX_CELL_AXES} axes in all.`);
		if (axes.length > MAX_AXES) add(`A matrix has at most ${MAX_AXES} axes.`);
		if (axes.length === 0 && !value.include?.length) add("A matrix needs an axis, such as node: [22, 24].");
	});
export const matrix = meant(matrixShape);
export type MatrixText = z.infer<typeof matrix>;

function axesOfCells({ include = [], exclude = [] }: { include?: object[] | undefined; exclude?: object[] | undefined }): number {
	return new Set([...include, ...exclude].flatMap((one) => Object.keys(one))).size;
}

/** The values of one matrix job, by axis. */
export type Cell = Record<string, string>;

/** The axes of a matrix, including the axes of `include`. */
export function axesOf(matrix: MatrixText): string[] {
	return [...new Set([...axisEntries(matrix).map(([name]) => name), ...(matrix.include ?? []).flatMap((cell) => Object.keys(cell))])];
}

function axisEntries(matrix: MatrixText): [string, string[]][] {
	return Object.entries(matrix).filter(([key]) => !MATRIX_WORDS.includes(key as never)) as [string, string[]][];
}

/**
 * Expands a matrix whose values are filled in. An entry of `exclude` removes every combination that
 * has all of its values. One of `include` adds its values to every combination that agrees with it
 * in the axes that both have; one that agrees with none is a matrix job of its own.
 */
export function expandMatrix(matrix: MatrixText): { cells: Cell[]; errors: ValidationError[] } {
	const entries = axisEntries(matrix);
	const total = entries.reduce((product, [, values]) => product * values.length, entries.length > 0 ? 1 : 0);
	if (total > MAX_MATRIX_CELLS) return tooMany(total);
	const names = entries.map(([name]) => name);
	let cells = entries.reduce<Cell[]>(
		(done, [name, values]) => done.flatMap((cell) => values.map((value) => ({ ...cell, [name]: value }))),
		[{}],
	);
	if (entries.length === 0) cells = [];
	const errors: ValidationError[] = [];
	for (const [index, excluded] of (matrix.exclude ?? []).entries()) {
		const before = cells.length;
		cells = cells.filter((cell) => !agrees(cell, excluded));
		if (cells.length === before)
			errors.push({
				path: ["exclude", String(index)],
				message: "This entry of `exclude` excludes nothing.",
				suggestion: `The axes are ${names.join(", ")}.`,
			});
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
	if (all.length === 0) errors.push({ path: [], message: "The matrix makes no job.", suggestion: "Exclude less." });
	return { cells: all, errors };
}

function tooMany(count: number) {
	const message = `The matrix makes ${count} jobs. At most ${MAX_MATRIX_CELLS} are allowed.`;
	return { cells: [], errors: [{ path: [], message, suggestion: "Exclude some, or split the job." }] };
}

/** Whether a matrix job has all of these values. */
export function agrees(cell: Readonly<Cell> | null, wanted: Readonly<Cell>): boolean {
	return Object.entries(wanted).every(([axis, value]) => cell !== null && valueIn(cell, axis) === value);
}

/**
 * An own value only: an axis may have the name of a member of every object, such as `constructor`.
 */
function valueIn(cell: Readonly<Cell>, axis: string): string | undefined {
	return Object.hasOwn(cell, axis) ? cell[axis] : undefined;
}

/**
 * Whether a selection means at most one matrix job. Values may not be filled in yet: an expression
 * may give any value.
 */
export function meansOne(matrix: MatrixText, wanted: Readonly<Cell>): boolean {
	if (axesOf(matrix).every((axis) => valueIn(wanted, axis) !== undefined)) return true;
	const mayAgree = (cell: Cell) =>
		Object.entries(wanted).every(([axis, value]) => valueIn(cell, axis) === value || (valueIn(cell, axis) ?? "").includes("${{"));
	return writtenCells(matrix).filter(mayAgree).length <= 1;
}

/** The matrix jobs of a matrix as it is written. Many jobs may refer to one matrix. */
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
