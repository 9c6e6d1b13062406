/** The parameter types that both adapters treat alike. Both reject every other type. */
export type SqlValue = string | number | null | Uint8Array;
type SqlRow = Record<string, SqlValue>;

/**
 * The database under the core: SQLite, synchronous. One adapter uses a Durable Object's storage,
 * the other `node:sqlite`. One suite of tests checks that they behave alike.
 */
export interface Sql {
	/** Runs one statement and returns all of its rows. */
	all<Row = SqlRow>(text: string, ...params: SqlValue[]): Row[];
	/**
	 * Runs `body` in a transaction, a nested one in a savepoint. An exception rolls it back and is
	 * thrown again.
	 */
	tx<Result>(body: () => Result): Result;
}

/** The limit of D1 and Durable Objects; `node:sqlite` has a higher one. */
const MAX_PARAMS = 100;

/**
 * Rejects values that the platforms treat differently: booleans, undefined, bigint, NaN, more than
 * 100 parameters.
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

/** The arguments of `Sql.all`: a statement and its positional values. */
type Statement = [text: string, ...params: SqlValue[]];

const NAMES = /'(?:[^']|'')*'|:([a-z]\w*)/gi;

/**
 * Turns named parameters (`:like_this`) into numbered positions, because Durable Objects support
 * only those. Use it for more than five parameters: `sql.all(...named("… WHERE id = :id", { id
 * }))`.
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

/**
 * The statement that inserts a row, with the text after the values: `ON CONFLICT …` or `RETURNING
 * …`.
 */
export function insertInto(table: string, row: Readonly<Record<string, SqlValue>>, rest = ""): Statement {
	const columns = Object.keys(row);
	const values = columns.map((_, index) => `?${index + 1}`).join(", ");
	return [`INSERT INTO ${table} (${columns.join(", ")}) VALUES (${values}) ${rest}`, ...Object.values(row)];
}
