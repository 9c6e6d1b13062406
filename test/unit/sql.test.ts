import { getTableColumns, getTableName } from "drizzle-orm";
import { expect, test } from "vitest";
import { artifacts, attempts, jobs, runs } from "../../schema/database/tables.ts";
import { migrate } from "../../worker/queue/core/migrations.ts";
import { nodeSql } from "../support/node_sql.ts";
import { sqlConformance } from "../support/sql_conformance.ts";

sqlConformance((body) => body(nodeSql()));

test.each([runs, jobs, attempts, artifacts])("the queue's tables hold every column of the record", (table) => {
	const sql = nodeSql();
	migrate(sql);
	const columns = sql.all<{ name: string }>(`SELECT name FROM pragma_table_info('${getTableName(table)}')`).map(({ name }) => name);
	expect(columns).toEqual(expect.arrayContaining(Object.keys(getTableColumns(table))));
});

test("a queue that a newer version has written is rejected", () => {
	const sql = nodeSql();
	migrate(sql);
	sql.all("UPDATE meta SET value = '99' WHERE key = 'schema'");
	expect(() => migrate(sql)).toThrow(/start the newer version/);
});
