import { describe, expect, test } from "vitest";
import { insertInto, named, type Sql } from "../../worker/queue/core/sql.ts";

/** What the core relies on; both adapters must behave alike in all of it. */
export function sqlConformance(withSql: (body: (sql: Sql) => void) => Promise<void> | void): void {
	const fresh = (body: (sql: Sql) => void) =>
		withSql((sql) => {
			sql.all("DROP TABLE IF EXISTS things");
			sql.all("CREATE TABLE things (id TEXT PRIMARY KEY, n INTEGER, bytes BLOB) STRICT, WITHOUT ROWID");
			body(sql);
		});

	describe("values", () => {
		test("text, numbers, null and bytes come back as they went in", () =>
			fresh((sql) => {
				sql.all("INSERT INTO things VALUES (?, ?, ?)", "ä\u0000b", 2 ** 53 - 1, new Uint8Array([0, 255]));
				sql.all("INSERT INTO things VALUES (?, ?, ?)", "none", null, null);
				const [row, none] = sql.all<{ id: string; n: number | null; bytes: ArrayBuffer | Uint8Array }>(
					"SELECT * FROM things ORDER BY n DESC",
				);
				expect([row?.id, row?.n, [...new Uint8Array(row?.bytes as ArrayBuffer)]]).toEqual(["ä\u0000b", 2 ** 53 - 1, [0, 255]]);
				expect(none?.n).toBeNull();
			}));

		test.each([[true], [undefined], [10n], [Number.NaN], [{}]])("%s is rejected before it reaches SQL", (value) =>
			fresh((sql) => {
				expect(() => sql.all("SELECT ?", value as never)).toThrow(TypeError);
			}),
		);

		test("a hundred parameters are taken, one more is rejected", () =>
			fresh((sql) => {
				const marks = (count: number) => `SELECT 1 WHERE 1 IN (${Array.from({ length: count }, () => "?").join(",")})`;
				expect(sql.all(marks(100), ...Array.from({ length: 100 }, () => 1))).toHaveLength(1);
				expect(() => sql.all(marks(101), ...Array.from({ length: 101 }, () => 1))).toThrow(TypeError);
			}));

		test("named parameters, also one that is used twice, beside text with colons", () =>
			fresh((sql) => {
				expect(sql.all(...named("SELECT :b || ':a' || :a || :b AS text", { a: "1", b: "2" }))).toMatchObject([{ text: "2:a12" }]);
				expect(() => named("SELECT :a", {})).toThrow(":a has no value");
				expect(() => named("SELECT 1", { a: 1 })).toThrow("no parameter :a");
				const row = { id: "x", n: 3 };
				expect(sql.all(...insertInto("things", row, "RETURNING *"))).toMatchObject([row]);
			}));

		test("numbered parameters, RETURNING, and JSON", () =>
			fresh((sql) => {
				expect(sql.all("SELECT ?2 || ?1 || ?2 AS text", "a", "b")).toMatchObject([{ text: "bab" }]);
				expect(
					sql.all(
						"INSERT INTO things (id, n) SELECT value ->> 'id', value ->> 'n' FROM json_each(?) RETURNING id",
						'[{"id":"x","n":1},{"id":"y","n":2}]',
					),
				).toHaveLength(2);
				expect(sql.all("UPDATE things SET n = 5 WHERE id = ? AND n = ? RETURNING n", "x", 9)).toEqual([]);
				expect(sql.all("UPDATE things SET n = 5 WHERE id = ? AND n = ? RETURNING n", "x", 1)).toMatchObject([{ n: 5 }]);
			}));
	});

	describe("transactions", () => {
		const count = (sql: Sql) => sql.all("SELECT id FROM things").length;

		test("give back what their body gives", () =>
			fresh((sql) => {
				expect(sql.tx(() => sql.all("INSERT INTO things (id) VALUES ('a') RETURNING id").length)).toBe(1);
				expect(count(sql)).toBe(1);
			}));

		test("undo everything when their body throws, and throw it on", () =>
			fresh((sql) => {
				const error = new Error("no");
				expect(() =>
					sql.tx(() => {
						sql.all("INSERT INTO things (id) VALUES ('a')");
						throw error;
					}),
				).toThrow(error);
				expect(count(sql)).toBe(0);
			}));

		test("nested ones undo only their own part", () =>
			fresh((sql) => {
				sql.tx(() => {
					sql.all("INSERT INTO things (id) VALUES ('outer')");
					expect(() =>
						sql.tx(() => {
							sql.all("INSERT INTO things (id) VALUES ('inner')");
							throw new Error("inner only");
						}),
					).toThrow("inner only");
				});
				expect(sql.all("SELECT id FROM things")).toMatchObject([{ id: "outer" }]);
			}));

		test("a statement that breaks a constraint throws and leaves nothing", () =>
			fresh((sql) => {
				sql.all("INSERT INTO things (id) VALUES ('a')");
				expect(() => sql.all("INSERT INTO things (id) VALUES ('b'), ('a')")).toThrow();
				expect(count(sql)).toBe(1);
			}));
	});
}
