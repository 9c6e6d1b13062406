/** What a statement may be given; everything else differs between the two adapters, and is refused by both. */
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
 * Refuses what the platforms treat differently: booleans, undefined, bigint, NaN, more than 100 parameters.
 * @throws TypeError, which is a fault of the caller's code
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
