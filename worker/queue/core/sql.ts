/** What a statement may be given; everything else differs between the two adapters, and both reject it. */
export type SqlValue = string | number | null | Uint8Array;
type SqlRow = Record<string, SqlValue>;

/**
 * The database under the core: SQLite, synchronous. Two adapters exist, one over a Durable Object's storage and one
 * over `node:sqlite`; one suite of tests holds them to the same behaviour.
 */
export interface Sql {
	/** Runs one statement and returns all of its rows. */
	all<Row = SqlRow>(text: string, ...params: SqlValue[]): Row[];
	/** Runs `body` in a transaction, a nested one in a savepoint; whatever it throws rolls back and is thrown on. */
	tx<Result>(body: () => Result): Result;
}

/** D1 and Durable Objects both stop here; `node:sqlite` would not. */
const MAX_PARAMS = 100;

/**
 * Rejects what the platforms treat differently: booleans, undefined, bigint, NaN, more than 100 parameters.
 * @throws TypeError, an error of the calling code
 */
export function checkParams(params: readonly unknown[]): void {
	if (params.length > MAX_PARAMS) throw new TypeError(`${params.length} parameters; the platform takes ${MAX_PARAMS}`);
	for (const [index, value] of params.entries()) {
		const isAllowed =
			value === null || typeof value === "string" || (typeof value === "number" && Number.isFinite(value)) || value instanceof Uint8Array;
		if (!isAllowed)
			throw new TypeError(`parameter ${index + 1} is ${typeof value} ${String(value)}; SQL takes text, finite numbers, null and bytes`);
	}
}

/** What `Sql.all` takes: a text and the values of its positions. */
type Statement = [text: string, ...params: SqlValue[]];

const NAMES = /'(?:[^']|'')*'|:([a-z]\w*)/gi;

/**
 * A statement whose parameters have names, `:like_this`, as numbered positions: Durable Objects know no other.
 * To be used for more than five parameters: `sql.all(...named("… WHERE id = :id", { id }))`.
 * @throws TypeError for a name without a value, and for a value without a name
 */
export function named(text: string, values: Readonly<Record<string, SqlValue>>): Statement {
	const positions = new Map<string, number>();
	const numbered = text.replace(NAMES, (written, name: string | undefined) => {
		if (name === undefined) return written;
		if (!Object.hasOwn(values, name)) throw new TypeError(`SQL parameter :${name} has no value.`);
		const position = positions.get(name) ?? positions.size + 1;
		positions.set(name, position);
		return `?${position}`;
	});
	const unused = Object.keys(values).filter((name) => !positions.has(name));
	if (unused.length > 0) throw new TypeError(`SQL text has no parameter :${unused.join(", :")}.`);
	return [numbered, ...[...positions.keys()].map((name) => values[name] as SqlValue)];
}

/** The statement that inserts a row, with what follows the values: `ON CONFLICT …` or `RETURNING …`. */
export function insertInto(table: string, row: Readonly<Record<string, SqlValue>>, rest = ""): Statement {
	const columns = Object.keys(row);
	const values = columns.map((_, index) => `?${index + 1}`).join(", ");
	return [`INSERT INTO ${table} (${columns.join(", ")}) VALUES (${values}) ${rest}`, ...Object.values(row)];
}
