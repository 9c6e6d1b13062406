import { named, type SqlValue } from "../queue/core/sql.ts";

/** A statement of D1 whose parameters have names, `:like_this`. To be used for more than five parameters. */
export function prepareNamed(db: D1Database, text: string, values: Readonly<Record<string, SqlValue>>): D1PreparedStatement {
	const [numbered, ...params] = named(text, values);
	return db.prepare(numbered).bind(...params);
}
