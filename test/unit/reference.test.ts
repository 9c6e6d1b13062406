import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { getTableColumns, getTableName, is } from "drizzle-orm";
import { SQLiteTable } from "drizzle-orm/sqlite-core";
import { describe, expect, test } from "vitest";
import { keySections } from "../../docs/generate/keys.ts";
import { anchorOf } from "../../docs/generate/markdown.ts";
import { generatedPages } from "../../docs/generate/pages.ts";
import * as tables from "../../schema/database/tables.ts";
import { pipelineJsonSchema } from "../../schema/pipeline/validate/json_schema.ts";
import { REASON_CODES } from "../../schema/wire/reasons.ts";
import { migrate } from "../../worker/queue/core/migrations.ts";
import { nodeSql } from "../support/node_sql.ts";

/** The parts of docs/reference that come from the code. After a change of the code: npm run reference. */

const root = path.resolve(import.meta.dirname, "../..");

test("the pages of the reference are as the code makes them: npm run reference", async () => {
	for (const { file, text, generated } of await generatedPages()) expect(text, `${file} is out of date: npm run reference`).toBe(generated);
}, 30_000);

test("the settings page names every variable of wrangler.toml", () => {
	const page = readFileSync(path.join(root, "docs/reference/settings.md"), "utf8");
	const [, variables = ""] = readFileSync(path.join(root, "wrangler.toml"), "utf8").split("[vars]\n");
	const names = [...variables.matchAll(/^([A-Z_]+) = /gm)].map(([, name = ""]) => name);
	expect(names.length).toBeGreaterThan(8);
	expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});

test("the reference of reasons has every code that the code gives, and no other", () => {
	const known = Object.values(REASON_CODES).flatMap((codes) => Object.keys(codes));
	const sources = globSync(["{agent,worker,cli}/**/*.{ts,tsx}", "schema/pipeline/**/*.ts"], { cwd: root })
		.map((name) => readFileSync(path.join(root, name), "utf8"))
		.join("\n");
	const given = [...sources.matchAll(/\bcode: "(\w+)",\s*text\b|\bJobError\(\s*"(\w+)"/g)].map(
		([, object, error]) => object ?? error ?? "",
	);
	expect(given.length).toBeGreaterThan(50);
	expect(given.filter((code) => !known.includes(code))).toEqual([]);
	const fromSchema = ["run_timed_out", "fail_fast"];
	expect(known.filter((code) => !fromSchema.includes(code) && !sources.includes(`"${code}"`))).toEqual([]);
});

describe("the reference of keys", () => {
	const properties = new Map<string, { description?: string }>();
	JSON.stringify(pipelineJsonSchema(), (name, value) => {
		if (name === "properties") for (const [key, property] of Object.entries(value)) properties.set(key, property as object);
		return value;
	});

	test("says of every key what it does", () => {
		expect(properties.size).toBeGreaterThan(80);
		expect([...properties].filter(([, { description }]) => !description).map(([key]) => key)).toEqual([]);
	});

	test("has every key, and each of its links leads to one of its headings", () => {
		const page = keySections();
		expect([...properties.keys()].filter((key) => !page.includes(`- \`${key}\``))).toEqual([]);
		const headings = [...page.matchAll(/^## (.*)$/gm)].map(([, text = ""]) => anchorOf(text));
		const links = [...page.matchAll(/\(#([^)]*)\)/g)].map(([, anchor]) => anchor);
		expect(links.length).toBeGreaterThan(20);
		expect(links.filter((anchor) => !headings.includes(anchor ?? ""))).toEqual([]);
	});
});

describe("the page about storage", () => {
	const page = readFileSync(path.join(root, "docs/reference/storage.md"), "utf8");
	/** The columns of the example row under each heading, such as D1 `runs`. */
	const examples = new Map(
		[...page.matchAll(/^#### (\S+ `\w+`)\n[\s\S]*?```text\n([\s\S]*?)```/gm)].map(([, heading = "", json = ""]) => [
			heading,
			Object.keys(JSON.parse(json)),
		]),
	);
	const shown = (store: string) =>
		new Map(
			[...examples].flatMap(([heading, columns]) => (heading.startsWith(`${store} `) ? [[heading.slice(store.length + 1), columns]] : [])),
		);
	const inCatalog = new Map(
		Object.values(tables).flatMap((table) =>
			is(table, SQLiteTable) ? [[`\`${getTableName(table)}\``, Object.keys(getTableColumns(table))]] : [],
		),
	);
	const byName = (columns: Map<string, string[]>) =>
		Object.fromEntries([...columns].sort().map(([name, list]) => [name, [...list].sort()]));

	test("shows a row of every table of D1, with its columns", () => {
		expect(byName(shown("D1"))).toEqual(byName(inCatalog));
	});

	test("shows a row of every table of the Dispatcher, or names what the queue adds to a table of the record", () => {
		const sql = nodeSql();
		migrate(sql);
		const columnsOf = (table: string) =>
			sql.all<{ name: string }>(`SELECT name FROM pragma_table_info('${table}')`).map(({ name }) => name);
		const names = sql.all<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'").map(({ name }) => name);
		const added = new Map(
			[...page.matchAll(/^- Dispatcher (`\w+`): ([^.]*)\./gm)].map(([, name = "", list = ""]) => [name, list.match(/`\w+`/g) ?? []]),
		);
		const own = names.filter((name) => !added.has(`\`${name}\``));
		expect(byName(shown("Dispatcher"))).toEqual(byName(new Map(own.map((name) => [`\`${name}\``, columnsOf(name)]))));
		for (const [name, list] of added) {
			const copied = inCatalog.get(name) ?? [];
			expect([name, list]).toEqual([
				name,
				columnsOf(name.replaceAll("`", "")).flatMap((one) => (copied.includes(one) ? [] : [`\`${one}\``])),
			]);
		}
	});

	test("shows a row of every table of a LogShard", () => {
		const source = readFileSync(path.join(root, "worker/logs/log_store.ts"), "utf8");
		const names = [...source.matchAll(/CREATE TABLE IF NOT EXISTS (\w+)/g)].map(([, name]) => `\`${name}\``);
		expect([...shown("LogShard").keys()].sort()).toEqual(names.sort());
	});
});
