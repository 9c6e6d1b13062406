import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { Database, type Value } from "../../support/sqlite.ts";
import type { World } from "../world.ts";
import { NO_TROUBLE, type StoreTrouble, throughTrouble } from "./trouble.ts";

const MIGRATIONS = path.resolve(import.meta.dirname, "../../../schema/database/migrations");

/** D1 over SQLite, as far as the Worker uses it. */
export class RecordDatabase {
	readonly database = new Database();
	readonly #world: World;
	trouble: StoreTrouble = NO_TROUBLE;
	/** Ids of rows that are refused for what they are. */
	readonly poison = new Set<string>();
	/** Called after every request that wrote. */
	onWrite: () => void = () => undefined;

	constructor(world: World) {
		this.#world = world;
		for (const name of readdirSync(MIGRATIONS).sort()) {
			if (!name.endsWith(".sql")) continue;
			for (const statement of readFileSync(path.join(MIGRATIONS, name), "utf8").split("--> statement-breakpoint"))
				this.database.all(statement);
		}
	}

	prepare(text: string): Statement {
		return new Statement(this, text, []);
	}

	batch(statements: Statement[]): Promise<{ results: unknown[] }[]> {
		return throughTrouble(this.#world, "D1", this.trouble, () => {
			const before = this.database.writes;
			const results = this.database.tx(() => statements.map((statement) => ({ results: this.#rows(statement) })));
			if (this.database.writes !== before) this.onWrite();
			return results;
		});
	}

	#rows({ text, params }: Statement): Record<string, Value>[] {
		for (const id of this.poison) {
			if (text.startsWith("INSERT") && params.some((value) => String(value).includes(`"id":"${id}"`))) {
				this.#world.strike("D1 refuses a row");
				throw new Error("D1_ERROR: CHECK constraint failed: SQLITE_CONSTRAINT");
			}
		}
		return this.database.all(text, ...params);
	}
}

class Statement {
	readonly text: string;
	readonly params: Value[];
	readonly #database: RecordDatabase;

	constructor(database: RecordDatabase, text: string, params: Value[]) {
		this.#database = database;
		this.text = text;
		this.params = params;
	}

	bind(...params: Value[]): Statement {
		return new Statement(this.#database, this.text, params);
	}

	async all(): Promise<{ results: Record<string, Value>[] }> {
		const [result] = await this.#database.batch([this]);
		return result as { results: Record<string, Value>[] };
	}

	async raw(): Promise<Value[][]> {
		return (await this.all()).results.map((row) => Object.values(row));
	}

	run(): Promise<unknown> {
		return this.all();
	}
}
