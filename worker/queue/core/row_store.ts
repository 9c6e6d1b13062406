import { type Columns, LiveRows, RowTable, STORED } from "./row_table.ts";
import type { Sql, SqlValue } from "./sql.ts";

/** Tables to which a command only adds rows. */
const APPENDED: ReadonlySet<string> = new Set(["transitions", "effects", "held_logs"]);

const WRITES = /^\s*(?:INSERT(?:\s+OR\s+\w+)?\s+INTO|UPDATE|DELETE\s+FROM)\s+(\w+)/i;
const MENTIONED = new RegExp(`\\b(?:${[...Object.keys(STORED), ...APPENDED].join("|")})\\b`, "g");
const MAX_TEXTS = 2_000;
/** How many rows of a table stay in memory after a command, besides the live ones. */
const MAX_ROWS = 10_000;
/** The limit of D1 and Durable Objects. */
const MAX_PARAMS = 100;

/** What a statement of SQL touches of the stored tables. */
interface Touches {
	mentions: readonly string[];
	writes: string | null;
}

/**
 * The rows of the queue in memory. The database has every row; the store keeps copies of those that
 * were used last. Within a command it collects the changes, and writes each changed row once: at the
 * end, or before a statement that mentions its table. So all other code may use SQL as if nothing
 * was held back.
 */
export class RowStore {
	/** The database, with an eye on what statements read and write. */
	readonly sql: Sql;
	readonly #database: Sql;
	readonly #tables: ReadonlyMap<string, RowTable>;
	readonly #appended = new Map<string, Columns[]>();
	readonly #touches = new Map<string, Touches>();
	/** The tables to which the present command has written by a statement of its own. */
	readonly #written = new Set<string>();
	readonly #texts = new Map<string, string>();
	#isOpen = false;

	constructor(database: Sql) {
		this.#database = database;
		this.#tables = new Map(Object.entries(STORED).map(([name, spec]) => [name, new RowTable(name, spec, database)]));
		this.sql = {
			all: (text, ...params) => this.#all(text, params),
			tx: (body) => database.tx(body),
		};
	}

	/** Runs a command: its changes are written at its end. If it fails, none of them remains. */
	during<Result>(body: () => Result): Result {
		this.#isOpen = true;
		try {
			return this.#database.tx(body);
		} catch (error) {
			this.#rollBack();
			throw error;
		} finally {
			this.#isOpen = false;
			this.#settle();
		}
	}

	/** Runs a part of a command in a savepoint. */
	savepoint<Result>(body: () => Result): Result {
		this.flush();
		try {
			return this.#database.tx(() => {
				const result = body();
				this.flush();
				return result;
			});
		} catch (error) {
			this.#rollBack();
			throw error;
		}
	}

	/** The row with this key, to look at only. */
	peek(table: string, id: string): Readonly<Columns> | undefined {
		const stored = this.#table(table);
		const known = stored.get(id);
		if (known || stored.changes.get(id)?.is === "deleted") return known;
		const [row] = this.#database.all<Columns>(`SELECT * FROM ${table} WHERE ${stored.spec.key} = ?`, id);
		if (row) stored.keep(id, row);
		return row;
	}

	/** The row with this key, as a copy of its own. */
	find<Row extends object>(table: string, id: string): Row | undefined {
		const row = this.peek(table, id);
		return row && ({ ...row } as Row);
	}

	/** The live rows of an agent, or of all agents, to look at only. */
	live<Row extends object>(table: string, agentId?: string): readonly Readonly<Row>[] {
		const stored = this.#table(table);
		stored.live ??= this.#readLive(stored);
		return [...((agentId === undefined ? stored.live.all : stored.live.ofAgents.get(agentId))?.values() ?? [])] as Row[];
	}

	/** The live row with this key, to look at only. */
	liveRow<Row extends object>(table: string, id: string): Readonly<Row> | undefined {
		const stored = this.#table(table);
		stored.live ??= this.#readLive(stored);
		return stored.live.all.get(id) as Readonly<Row> | undefined;
	}

	/** The rows of a run in their order, to look at only. */
	ofRun<Row extends object>(table: string, runId: string): readonly Readonly<Row>[] {
		const stored = this.#table(table);
		const order = stored.spec.orderInRun ?? "";
		const known = stored.ofRuns.get(runId);
		// One statement for all, where some of a large run are no longer in memory.
		if (known?.every((id) => stored.get(id))) {
			const rows = known.map((id) => stored.get(id) as Columns);
			return rows.sort((a, b) => (a[order] as number) - (b[order] as number)) as Row[];
		}
		const read = this.sql.all<Columns>(`SELECT * FROM ${table} WHERE run_id = ? ORDER BY ${order}`, runId);
		const ids = read.map((row) => String(row[stored.spec.key]));
		// A row has one copy.
		const rows = ids.map((id, index) => stored.get(id) ?? (read[index] as Columns));
		for (const [index, row] of rows.entries()) stored.keep(ids[index] as string, row);
		if (ids.length > 0) stored.ofRuns.set(runId, ids);
		return rows as Row[];
	}

	/** Adds a row. Columns that are left out have their defaults. @returns a copy of the row */
	insert<Row extends object>(table: string, columns: Readonly<Columns>): Row {
		const stored = this.#tableToChange(table);
		const row = { ...stored.defaults, ...columns };
		const id = String(row[stored.spec.key]);
		// A row of this key that is deleted and not written so yet.
		if (stored.changes.has(id)) this.#flushTable(stored);
		stored.changes.set(id, { is: "inserted" });
		stored.touched.add(id);
		stored.keep(id, row);
		// A new run has no other rows yet.
		if (table === "runs") for (const other of this.#tables.values()) if (other.spec.orderInRun) other.ofRuns.set(id, []);
		if (stored.spec.orderInRun) stored.ofRuns.get(String(row.run_id))?.push(id);
		return { ...row } as Row;
	}

	/** Changes columns of a row. @returns whether the row exists */
	update(table: string, id: string, columns: Readonly<Columns>): boolean {
		const stored = this.#tableToChange(table);
		const row = this.peek(table, id) as Columns | undefined;
		if (!row) return false;
		stored.touched.add(id);
		const change = stored.changes.get(id) ?? { is: "updated", columns: new Set<string>() };
		stored.changes.set(id, change);
		if (change.is === "updated") for (const column of Object.keys(columns)) change.columns.add(column);
		stored.keep(id, Object.assign(row, columns));
		return true;
	}

	/** Deletes a row. */
	delete(table: string, id: string): void {
		const stored = this.#tableToChange(table);
		stored.touched.add(id);
		stored.drop(id);
		// A row that this command has added was never written.
		if (stored.changes.get(id)?.is === "inserted") stored.changes.delete(id);
		else stored.changes.set(id, { is: "deleted" });
	}

	/** Deletes the rows whose column has one of these values. */
	deleteWhere(table: string, column: string, values: readonly string[]): void {
		const stored = this.#tableToChange(table);
		this.#flushTable(stored);
		const { key } = stored.spec;
		const deleted = this.#database.all<Columns>(
			`DELETE FROM ${table} WHERE ${column} IN (SELECT value FROM json_each(?)) RETURNING ${key}`,
			JSON.stringify(values),
		);
		for (const row of deleted) {
			const id = String(row[key]);
			stored.touched.add(id);
			stored.drop(id);
			if (table === "runs") for (const other of this.#tables.values()) other.ofRuns.delete(id);
		}
	}

	/** Adds a row to a table that the command only adds to. */
	append(table: string, columns: Columns): void {
		this.#assertOpen();
		const rows = this.#appended.get(table);
		if (rows) rows.push(columns);
		else this.#appended.set(table, [columns]);
	}

	/** Writes all changes to the database. */
	flush(): void {
		for (const stored of this.#tables.values()) this.#flushTable(stored);
		for (const table of this.#appended.keys()) this.#flushAppended(table);
	}

	#all<Row>(text: string, params: SqlValue[]): Row[] {
		const { mentions, writes } = this.#touchesOf(text);
		if (this.#isOpen) {
			for (const name of mentions) {
				const stored = this.#tables.get(name);
				if (stored) this.#flushTable(stored);
				else this.#flushAppended(name);
			}
		}
		const rows = this.#database.all<Row>(text, ...params);
		const stored = writes === null ? undefined : this.#tables.get(writes);
		if (stored) {
			stored.forget();
			this.#written.add(stored.name);
		}
		return rows;
	}

	#touchesOf(text: string): Touches {
		const known = this.#touches.get(text);
		if (known) return known;
		if (this.#touches.size >= MAX_TEXTS) this.#touches.clear();
		const touches = { mentions: [...new Set(text.match(MENTIONED))], writes: WRITES.exec(text)?.[1] ?? null };
		this.#touches.set(text, touches);
		return touches;
	}

	#readLive(stored: RowTable): LiveRows {
		const live = new LiveRows(stored.spec.live?.agent ?? "");
		const { key, live: condition } = stored.spec;
		for (const read of this.sql.all<Columns>(`SELECT * FROM ${stored.name} WHERE ${condition?.sql}`)) {
			const id = String(read[key]);
			// A row has one copy.
			live.add(id, stored.rows.get(id) ?? read);
		}
		return live;
	}

	#flushTable(stored: RowTable): void {
		if (stored.changes.size === 0) return;
		for (const [id, change] of stored.changes) {
			if (change.is === "inserted") this.#database.all(stored.insertion, ...Object.values(stored.get(id) as Columns));
			else if (change.is === "deleted") this.#database.all(`DELETE FROM ${stored.name} WHERE ${stored.spec.key} = ?`, id);
			else this.#writeUpdate(stored, id, [...change.columns]);
		}
		stored.changes.clear();
	}

	#writeUpdate(stored: RowTable, id: string, columns: readonly string[]): void {
		const row = stored.get(id) as Columns;
		const signature = `${stored.name} ${columns.join()}`;
		let text = this.#texts.get(signature);
		if (text === undefined) {
			text = `UPDATE ${stored.name} SET ${columns.map((column) => `${column} = ?`).join(", ")} WHERE ${stored.spec.key} = ?`;
			this.#texts.set(signature, text);
		}
		this.#database.all(text, ...columns.map((column) => row[column] as SqlValue), id);
	}

	#flushAppended(table: string): void {
		const rows = this.#appended.get(table);
		if (!rows) return;
		this.#appended.delete(table);
		const columns = Object.keys(rows[0] as Columns);
		const most = Math.floor(MAX_PARAMS / columns.length);
		for (let from = 0; from < rows.length; from += most) {
			const some = rows.slice(from, from + most);
			const values = some.map(() => `(${columns.map(() => "?").join(", ")})`).join(", ");
			this.#database.all(`INSERT INTO ${table} (${columns.join(", ")}) VALUES ${values}`, ...some.flatMap((row) => Object.values(row)));
		}
	}

	/** Forgets the changes of the present command, written or not. */
	#rollBack(): void {
		for (const stored of this.#tables.values()) {
			if (this.#written.has(stored.name)) stored.forget();
			for (const id of stored.touched) stored.drop(id);
			// Which rows were live before is read anew.
			if (stored.touched.size > 0) stored.live = null;
			stored.changes.clear();
			stored.ofRuns.clear();
		}
		this.#appended.clear();
	}

	/** The command is over: its marks go, and the oldest copies beyond the limit. */
	#settle(): void {
		this.#written.clear();
		for (const stored of this.#tables.values()) {
			stored.touched.clear();
			forgetOldest(stored.rows, MAX_ROWS);
			forgetOldest(stored.ofRuns, MAX_ROWS);
		}
	}

	#table(name: string): RowTable {
		const stored = this.#tables.get(name);
		if (!stored) throw new Error(`the rows of ${name} are not kept`);
		return stored;
	}

	#tableToChange(name: string): RowTable {
		this.#assertOpen();
		return this.#table(name);
	}

	#assertOpen(): void {
		if (!this.#isOpen) throw new Error("rows change inside of a command");
	}
}

function forgetOldest(map: Map<string, unknown>, limit: number): void {
	if (map.size <= limit) return;
	let excess = map.size - limit;
	for (const key of map.keys()) {
		if (excess === 0) return;
		map.delete(key);
		excess -= 1;
	}
}
