import { named, type SqlValue } from "../queue/core/sql.ts";

/** A D1 statement with named parameters, `:like_this`. Use it for more than five parameters. */
export function prepareNamed(db: D1Database, text: string, values: Readonly<Record<string, SqlValue>>): D1PreparedStatement {
	const [numbered, ...params] = named(text, values);
	return db.prepare(numbered).bind(...params);
}
