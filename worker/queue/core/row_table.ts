import type { Sql, SqlValue } from "./sql.ts";

/** A row as its columns. */
export type Columns = Record<string, SqlValue>;

/** A table of whose rows the store keeps copies in memory. */
export interface StoredTable {
	/** The column that identifies a row. */
	key: string;
	/** Rows that are always in memory once they were asked for: a condition in SQL, the same in code, and the column with their agent. */
	live?: { sql: string; is(row: Columns): boolean; agent: string };
	/** The column that orders the rows of a run; `run_id` names the run. */
	orderInRun?: string;
}

const LIVE_ATTEMPT = new Set<SqlValue>(["running", "cancelling"]);

export const STORED: Record<string, StoredTable> = {
	runs: { key: "id" },
	jobs: { key: "id", orderInRun: "position" },
	attempts: {
		key: "id",
		orderInRun: "number",
		live: { sql: "state IN ('running', 'cancelling')", is: (row) => LIVE_ATTEMPT.has(row.state as SqlValue), agent: "agent_id" },
	},
	agents: { key: "id", live: { sql: "true", is: () => true, agent: "id" } },
	offers: { key: "attempt_id", live: { sql: "true", is: () => true, agent: "agent_id" } },
};

/** What a command has done to a row that is not written yet. */
type Change = { is: "inserted" } | { is: "updated"; columns: Set<string> } | { is: "deleted" };

/** The copies of one table. */
export class RowTable {
	readonly rows = new Map<string, Columns>();
	/** The changes of the present command that are not written yet, in their order. */
	readonly changes = new Map<string, Change>();
	/** The rows that the present command has changed. */
	readonly touched = new Set<string>();
	/** The live rows; null: not read yet. */
	live: LiveRows | null = null;
	/** Run → its rows, in the order in which they were added. */
	readonly ofRuns = new Map<string, string[]>();
	/** The columns of a row with their defaults. */
	readonly defaults: Columns;
	readonly insertion: string;

	readonly name: string;
	readonly spec: StoredTable;

	constructor(name: string, spec: StoredTable, sql: Sql) {
		this.name = name;
		this.spec = spec;
		const columns = sql.all<{ name: string; dflt_value: string | null }>(`PRAGMA table_info(${name})`);
		this.defaults = Object.fromEntries(columns.map(({ name, dflt_value }) => [name, defaultOf(dflt_value)]));
		this.insertion = `INSERT INTO ${name} (${columns.map((column) => column.name).join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`;
	}

	/** The copy of a row. */
	get(id: string): Columns | undefined {
		return this.rows.get(id) ?? this.live?.all.get(id);
	}

	/** Keeps a row, and its place among the live ones. */
	keep(id: string, row: Columns): void {
		this.rows.set(id, row);
		if (this.spec.live?.is(row)) this.live?.add(id, row);
		else this.live?.remove(id);
	}

	drop(id: string): void {
		this.live?.remove(id);
		this.rows.delete(id);
	}

	/** Forgets everything that is written. */
	forget(): void {
		this.rows.clear();
		this.live = null;
		this.ofRuns.clear();
	}
}

/** The rows of a table that are always in memory. */
export class LiveRows {
	readonly #agent: string;
	readonly all = new Map<string, Columns>();
	readonly ofAgents = new Map<string, Map<string, Columns>>();

	/** @param agent the column with the agent of a row */
	constructor(agent: string) {
		this.#agent = agent;
	}

	add(id: string, row: Columns): void {
		this.all.set(id, row);
		const agentId = String(row[this.#agent]);
		const ofAgent = this.ofAgents.get(agentId);
		if (ofAgent) ofAgent.set(id, row);
		else this.ofAgents.set(agentId, new Map([[id, row]]));
	}

	remove(id: string): void {
		const row = this.all.get(id);
		if (!row) return;
		this.all.delete(id);
		const agentId = String(row[this.#agent]);
		const ofAgent = this.ofAgents.get(agentId);
		ofAgent?.delete(id);
		if (ofAgent?.size === 0) this.ofAgents.delete(agentId);
	}
}

/** The value of a default in the schema. */
function defaultOf(text: string | null): SqlValue {
	if (text === null || text === "NULL") return null;
	return text.startsWith("'") ? text.slice(1, -1).replaceAll("''", "'") : Number(text);
}
