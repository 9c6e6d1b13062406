import * as z from "zod";
import { nearest } from "../../text/nearest_word.ts";
import { MAX_MATRIX_CELLS } from "../../wire/limits.ts";
import { code, type ValidationError } from "./errors.ts";
import { count, flag, isScalar, kindOf, meant, oneOrMore, shorthands, template, text, withShorthand } from "./values.ts";

/**
 * `matrix`: a job becomes matrix jobs, one for each combination of its axes, without the excluded
 * ones, and with the included ones. A value can be a map: its members are called `axis.member`.
 */

const MAX_AXES = 8;
/** The axes of all entries together: each entry may have others. */
const MAX_CELL_AXES = 50;
/** The keys of a matrix that are not axes. */
const MATRIX_WORDS = ["include", "exclude", "fail_fast", "max_parallel"] as const;
const AXIS_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,30}$/;
const AXIS_NAME_ERROR =
	"The name of an axis has letters, digits, dashes and underscores, at most 31, and does not begin with a digit or a dash.";
/** How deep maps in values may be. */
const MAX_VALUE_DEPTH = 3;

/**
 * A map of values, in which a value may be a map: the members of all of them, by their whole names.
 * @param text the schema of a value that is no map
 */
function membersOf(text: z.ZodType<string>) {
	const schema = z.unknown().transform((value, context): Cell => {
		const found: Cell = {};
		const add = (one: unknown, names: string[]) => {
			const fail = (message: string) => context.addIssue({ code: "custom", path: names, message });
			if (isScalar(one) && names.length > 0) {
				const read = text.safeParse(one);
				if (read.success) found[names.join(".")] = read.data;
				else for (const issue of read.error.issues) fail(issue.message);
				return;
			}
			if (typeof one !== "object" || one === null || Array.isArray(one) || isScalar(one)) {
				return fail(
					names.length === 0 ? `Expected a map of values, got ${kindOf(one)}.` : "A value of a matrix is a text, or a map of texts.",
				);
			}
			if (names.length >= MAX_VALUE_DEPTH) return fail(`A value of a matrix has at most ${MAX_VALUE_DEPTH} levels.`);
			if (Object.keys(one).length === 0 && names.length > 0) return fail("A map of values may not be empty.");
			for (const [name, inner] of Object.entries(one)) {
				if (AXIS_NAME.test(name)) add(inner, [...names, name]);
				else context.addIssue({ code: "custom", path: [...names, name], message: AXIS_NAME_ERROR });
			}
		};
		add(value, []);
		return found;
	});
	shorthands.set(schema, { also: [{ type: "object", additionalProperties: { type: ["string", "number", "boolean", "object"] } }] });
	return schema;
}

/** The values that select matrix jobs, or make one. */
export const cell = membersOf(template);
/** A selection without expressions. */
export const plainCell = membersOf(text);
/** One value of an axis: a text, or the members of a map. */
const axisValue = z.unknown().transform((value, context): string | Cell => {
	const read = isScalar(value) ? template.safeParse(value) : cell.safeParse(value);
	if (read.success && (typeof read.data === "string" || Object.keys(read.data).length > 0)) return read.data;
	if (read.success) context.addIssue({ code: "custom", message: "A map of values may not be empty." });
	for (const issue of read.error?.issues ?? []) context.addIssue({ ...issue });
	return z.NEVER;
});
shorthands.set(axisValue, { also: [template, cell] });
const matrixShape = z
	.object({
		include: z
			.array(cell)
			.max(256)
			.optional()
			.describe("Values for the matrix jobs that agree with an entry; an entry that agrees with none makes a matrix job of its own."),
		exclude: z.array(cell).max(256).optional().describe("Removes the matrix jobs that have all values of an entry."),
		fail_fast: flag.optional().describe("Whether the first matrix job that fails cancels the others. Default: `false`."),
		max_parallel: count(1, MAX_MATRIX_CELLS).optional().describe("How many of the matrix jobs run at once. Default: all."),
	})
	.catchall(
		oneOrMore(axisValue, 256).describe(
			"An axis and its values. Every combination of the axes makes a matrix job. A value can be a map: `matrix.job.target`.",
		),
	)
	.superRefine((value, context) => {
		const add = (message: string, path: string[] = []) => context.addIssue({ code: "custom", path, message });
		const axes = Object.keys(value).filter((key) => !MATRIX_WORDS.includes(key as never));
		for (const name of axes) {
			const meant = settingMeant(name);
			if (meant !== null)
				add(`The axis ${code(name)} looks like the setting ${code(meant)}. Write ${code(meant)}, or choose another name.`, [name]);
			else if (!AXIS_NAME.test(name)) add(AXIS_NAME_ERROR, [name]);
		}
		if (axesOfCells(value) > MAX_CELL_AXES) add(`The entries of a matrix have at most ${MAX_CELL_AXES} axes in all.`);
		if (axes.length > MAX_AXES) add(`A matrix has at most ${MAX_AXES} axes.`);
		if (axes.length === 0 && !value.include?.length) add("A matrix needs an axis, such as node: [22, 24].");
	});
/** A matrix as it is written; or the one expression that gives it, from the outputs of needed jobs. */
export const matrix = withShorthand<MatrixText | string>(
	z.unknown().transform((value, context): MatrixText | string => {
		if (typeof value === "string" && isWholeExpression(value)) return value;
		const read = meant(matrixShape).safeParse(value);
		if (read.success) return read.data;
		for (const issue of read.error.issues) context.addIssue({ ...issue });
		return z.NEVER;
	}),
	[meant(matrixShape), { title: "an expression", examples: ["${{ needs.plan.outputs.matrix }}"], type: "string", pattern: "^\\$\\{\\{" }],
	(value) => value,
);
export type MatrixText = z.infer<typeof matrixShape>;

/** Whether a text is one expression and nothing else. */
function isWholeExpression(text: string): boolean {
	return /^\s*\$\{\{(?:(?!\}\}).)*\}\}\s*$/s.test(text);
}

/** Whether a value of a matrix is JSON that a needed job puts out. */
function isFromOutput(value: unknown): value is string {
	return typeof value === "string" && isWholeExpression(value) && /\bneeds\b/.test(value);
}

/** The axes whose values are a list that a needed job puts out; "all": the whole matrix is. Null: all is written. */
export function axesFromOutputs(matrix: MatrixText | string): readonly string[] | "all" | null {
	if (typeof matrix === "string") return "all";
	const names = axisEntries(matrix).flatMap(([name, values]) => (values.length === 1 && isFromOutput(values[0]) ? name : []));
	return names.length > 0 ? names : null;
}

/** The setting that the name of an axis is a misspelling of; null for other names. */
function settingMeant(name: string): string | null {
	const plain = (word: string) => word.toLowerCase().replaceAll(/[-_\s]/g, "");
	const words = new Map(MATRIX_WORDS.map((word) => [plain(word), word]));
	return words.get(nearest(plain(name), [...words.keys()]) ?? "") ?? null;
}

function axesOfCells({ include = [], exclude = [] }: { include?: object[] | undefined; exclude?: object[] | undefined }): number {
	return new Set([...include, ...exclude].flatMap((one) => Object.keys(one))).size;
}

/** The values of one matrix job, by axis; the members of a value that is a map as `axis.member`. */
export type Cell = Record<string, string>;

/** A cell as it is written: with maps where a name has a dot. */
export function nestedCell(cell: Readonly<Cell>, textOf: (text: string) => string = (text) => text): Record<string, unknown> {
	const whole: Record<string, unknown> = {};
	for (const [axis, value] of Object.entries(cell)) {
		const names = axis.split(".");
		let inner = whole;
		for (const name of names.slice(0, -1)) {
			inner[name] ??= {};
			inner = inner[name] as Record<string, unknown>;
		}
		inner[names.at(-1) as string] = textOf(value);
	}
	return whole;
}

/** The axes of a matrix with the members of their values, including those of `include`. */
export function axesOf(matrix: MatrixText | string): string[] {
	if (typeof matrix === "string") return [];
	const named = axisEntries(matrix).flatMap(([name, values]) => values.flatMap((value) => Object.keys(valueCell(name, value))));
	return [...new Set([...named, ...(matrix.include ?? []).flatMap((cell) => Object.keys(cell))])];
}

/** Those of the axes that only some matrix jobs may have. */
export function partialAxesOf(matrix: MatrixText | string): string[] {
	if (typeof matrix === "string") return [];
	const entries = axisEntries(matrix);
	// An expression may give any value: only what every value of an axis has is certain.
	const isKnown = entries.length === 0 || !JSON.stringify(matrix).includes("${{");
	const cells = isKnown ? writtenCells(matrix) : [];
	const inAll = (name: string) =>
		cells.length > 0
			? cells.every((one) => Object.hasOwn(one, name))
			: entries.some(([axis, values]) => values.every((value) => Object.hasOwn(valueCell(axis, value), name)));
	return axesOf(matrix).filter((name) => !inAll(name));
}

/** A value of an axis as a part of a cell. */
function valueCell(name: string, value: string | Cell): Cell {
	if (typeof value === "string") return { [name]: value };
	return Object.fromEntries(Object.entries(value).map(([member, text]) => [`${name}.${member}`, text]));
}

function axisEntries(matrix: MatrixText): [string, (string | Cell)[]][] {
	return Object.entries(matrix).filter(([key]) => !MATRIX_WORDS.includes(key as never)) as [string, (string | Cell)[]][];
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
	const names = [...new Set(entries.flatMap(([name, values]) => values.flatMap((value) => Object.keys(valueCell(name, value)))))];
	let cells = entries.reduce<Cell[]>(
		(done, [name, values]) => done.flatMap((cell) => values.map((value) => ({ ...cell, ...valueCell(name, value) }))),
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
export function meansOne(matrix: MatrixText | string, wanted: Readonly<Cell>): boolean {
	if (typeof matrix === "string" || axesFromOutputs(matrix) !== null) return false;
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
