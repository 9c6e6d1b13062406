import { expect, test } from "vitest";
import { command, savepoint } from "../../worker/queue/core/core.ts";
import { addRow, changeRow, findOffer, type OfferRow, offersOfAgent } from "../../worker/queue/core/rows.ts";
import { nodeSql } from "../support/node_sql.ts";
import { Queue } from "../support/queue.ts";

/** The rows in memory are those of the database, whatever happens. */

const SEED = 7;
const COMMANDS = 2_000;

/** mulberry32: numbers from 0 to 1, the same for the same seed. */
function numbers(seed: number): () => number {
	let state = seed;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let value = Math.imul(state ^ (state >>> 15), 1 | state);
		value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
		return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
	};
}

function setUp() {
	const sql = nodeSql();
	const { core } = new Queue(sql);
	const add = (id: string, agent = "a") =>
		addRow(core, "offers", {
			...{ attempt_id: id, job_id: `job of ${id}`, agent_id: agent, session: 1, lease_id: "l", shard: 0, expires_at: 5 },
		});
	const stored = () => sql.all<OfferRow>("SELECT * FROM offers ORDER BY attempt_id");
	return { core, sql, add, stored };
}

test(`rows in memory and in the database are the same after any commands (seed ${SEED})`, () => {
	const { core, add, stored } = setUp();
	const random = numbers(SEED);
	const pick = (count: number) => Math.floor(random() * count);
	let made = 0;
	const change = () => {
		const offers = ["a", "b", "c"].flatMap((agent) => offersOfAgent(core, agent));
		const one = offers[pick(Math.max(1, offers.length))];
		const kind = pick(6);
		if (kind === 0 || !one) {
			made += 1;
			add(`offer ${String(made).padStart(5, "0")}`, "abc"[pick(3)]);
		} else if (kind === 1) changeRow(core, "offers", one.attempt_id, { expires_at: pick(1_000), shard: pick(8) });
		else if (kind === 2) core.rows.delete("offers", one.attempt_id);
		else if (kind === 3) core.sql.all("UPDATE offers SET session = session + 1 WHERE attempt_id = ?", one.attempt_id);
		else if (kind === 4) expect(core.sql.all("SELECT * FROM offers WHERE attempt_id = ?", one.attempt_id)).toEqual([one]);
		else expect(findOffer(core, one.attempt_id)).toEqual(one);
	};
	for (let count = 0; count < COMMANDS; count += 1) {
		const fails = random() < 0.2;
		const before = stored();
		try {
			command(core, () => {
				for (let times = pick(5); times >= 0; times -= 1) {
					if (random() < 0.2) {
						try {
							savepoint(core, () => {
								change();
								if (random() < 0.5) throw new Error("the savepoint fails");
							});
						} catch (error) {
							expect((error as Error).message).toBe("the savepoint fails");
						}
					} else change();
				}
				if (fails) throw new Error("the command fails");
			});
		} catch (error) {
			expect((error as Error).message).toBe("the command fails");
			expect(stored()).toEqual(before);
		}
		const inMemory = ["a", "b", "c"].flatMap((agent) => offersOfAgent(core, agent));
		expect(inMemory.sort((a, b) => (a.attempt_id < b.attempt_id ? -1 : 1))).toEqual(stored());
	}
	expect(made).toBeGreaterThan(500);
});

test("a row that changes several times in a command is written once", () => {
	const sql = nodeSql();
	const texts: string[] = [];
	const { core } = new Queue({
		tx: (body) => sql.tx(body),
		all: (text, ...params) => {
			texts.push(text);
			return sql.all(text, ...params);
		},
	});
	const add = () =>
		addRow(core, "offers", { attempt_id: "o", job_id: "j", agent_id: "a", session: 1, lease_id: "l", shard: 0, expires_at: 1 });
	command(core, add);
	texts.length = 0;
	command(core, () => {
		for (let expires_at = 2; expires_at < 10; expires_at += 1) changeRow(core, "offers", "o", { expires_at });
		changeRow(core, "offers", "o", { shard: 3 });
	});
	expect(texts).toEqual(["UPDATE offers SET expires_at = ?, shard = ? WHERE attempt_id = ?"]);
	texts.length = 0;
	command(core, () => {
		core.rows.delete("offers", "o");
		add();
		core.rows.delete("offers", "o");
	});
	expect(sql.all("SELECT 1 FROM offers")).toEqual([]);
});

test("rows change only inside of a command", () => {
	const { add } = setUp();
	expect(() => add("o")).toThrow("inside of a command");
});
