import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Host } from "./host.ts";

/** The coordinator's D1 database, as its host uses it before the Worker serves others. */

export interface Statement {
	sql: string;
	/** The values of the statement's question marks. */
	values?: readonly (string | number)[];
}

type Row = Record<string, string | number | null>;

/**
 * Runs statements by a route of the Worker. Miniflare's own proxy to D1 would start a thread with
 * a second copy of undici, which takes 25 MB and a third of a second.
 */
export class Database {
	readonly #host: Host;
	readonly #secret: string;

	/** @param secret the Worker's binding HOST_SECRET */
	constructor(host: Host, secret: string) {
		this.#host = host;
		this.#secret = secret;
	}

	/** Runs the statements in one transaction. @returns the rows of each */
	async batch(statements: readonly Statement[]): Promise<Row[][]> {
		const { status, text } = await this.#host.ask("http://localhost/api/v1/host/database", {
			method: "POST",
			headers: { Authorization: `Bearer wlh.${this.#secret}`, "Content-Type": "application/json" },
			body: JSON.stringify({ statements }),
		});
		const answer = JSON.parse(text);
		if (status >= 300) throw new Error(answer.message);
		return answer.results;
	}
}

/**
 * Applies the bundle's migrations to D1, each in one transaction, and records them in wrangler's
 * table.
 * @throws Error that names the failed migration
 */
export async function migrateDatabase(database: Database, folder: string): Promise<void> {
	const [, names = []] = await database.batch([
		{
			sql: "CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)",
		},
		{ sql: "SELECT name FROM d1_migrations" },
	]);
	const applied = new Set(names.map(({ name }) => name));
	for (const name of readdirSync(folder)
		.filter((file) => file.endsWith(".sql"))
		.sort()) {
		if (applied.has(name)) continue;
		const statements = readFileSync(path.join(folder, name), "utf8").split("--> statement-breakpoint");
		try {
			await database.batch([...statements.map((sql) => ({ sql })), { sql: "INSERT INTO d1_migrations (name) VALUES (?)", values: [name] }]);
		} catch (error) {
			throw new Error(`The migration ${name} failed: ${(error as Error).message}`);
		}
	}
}
