import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import {
	addCache,
	cacheTotals,
	findByPrefix,
	findExact,
	leastRecentlyUsed,
	type NewCache,
	removeEntries,
} from "../../worker/caches/store.ts";

/** Caches in D1: many keys, contents that several share, and saves at the same time. */

const digest = (text: string) => text.padEnd(64, "0");
let made = 0;

function cacheOf(project: string, key: string, changes: Partial<NewCache> = {}): NewCache {
	made += 1;
	return {
		...{ id: `cch_${String(made).padStart(26, "0")}`, team: "default", project, variant: digest("v"), scope: "branch main", key },
		...{ job_id: "job_1", isTrusted: true, content: digest(key.length.toString(16)), size: 10, unpacked_bytes: 20, files: 1 },
		parts: [{ sha256: digest("a"), size: 10 }],
		...changes,
	};
}

const place = (project: string) => ({ team: "default", project, variant: digest("v") });

describe("ten thousand keys of a project", () => {
	test("are found by a prefix, the newest first", async () => {
		await addCache(env.DB, cacheOf("many", "seed", { content: digest("c") }), 1);
		await env.DB.prepare(
			`INSERT INTO cache_entries (id, team, project, variant, scope, key, object_id, job_id, hits, created_at, used_at)
			SELECT 'many_' || n.value, e.team, e.project, e.variant, e.scope, 'npm-' || n.value, e.object_id, e.job_id, 0, n.value, n.value
			FROM cache_entries AS e, json_each(?) AS n WHERE e.project = 'many' AND e.key = 'seed'`,
		)
			.bind(JSON.stringify(Array.from({ length: 10_000 }, (_, n) => n)))
			.run();
		expect((await findByPrefix(env.DB, place("many"), "npm-", ["branch other", "branch main"]))?.key).toBe("npm-9999");
		expect((await findByPrefix(env.DB, place("many"), "npm-12", ["branch main"]))?.key).toBe("npm-1299");
		expect((await findExact(env.DB, place("many"), "npm-777", ["branch other", "branch main"]))?.key).toBe("npm-777");
		expect([
			await findByPrefix(env.DB, place("many"), "npm-", ["branch other"]),
			await findExact(env.DB, place("many"), "npm", ["branch main"]),
		]).toEqual([null, null]);
		expect((await leastRecentlyUsed(env.DB, { team: "default", project: "many" }, 2)).map(({ key }) => key)).toEqual(["npm-0", "seed"]);
		expect(await cacheTotals(env.DB, "default", "many")).toEqual({ count: 10_001, bytes: 10, tools: [] });
	});
});

describe("a content", () => {
	test("is stored once among trusted runs, once among forks, and goes with the last key that leads to it", async () => {
		const content = digest("d");
		const [first, second] = [cacheOf("shared", "one", { content }), cacheOf("shared", "two", { content })];
		expect(await addCache(env.DB, first, 1)).toEqual({ entryId: first.id, objectId: first.id });
		expect(await addCache(env.DB, second, 2)).toEqual({ entryId: second.id, objectId: first.id });
		const fork = cacheOf("shared", "one", { content, isTrusted: false, scope: "fork 9" });
		expect(await addCache(env.DB, fork, 3)).toEqual({ entryId: fork.id, objectId: fork.id });
		const other = cacheOf("unshared", "one", { content });
		expect((await addCache(env.DB, other, 4)).objectId).toBe(other.id);
		const all = await leastRecentlyUsed(env.DB, { team: "default", project: "shared" }, 10);
		expect((await removeEntries(env.DB, all.slice(0, 1), "quota", 5)).map(({ id }) => id)).toEqual([]);
		expect((await removeEntries(env.DB, all.slice(1), "quota", 5)).map(({ id }) => id).sort()).toEqual([first.id, fork.id].sort());
		expect(await cacheTotals(env.DB, "default", "unshared")).toEqual({ count: 1, bytes: 10, tools: [] });
	});

	test("of two saves of one key at once is the first one's, and a repeated save is the same", async () => {
		const [one, other] = [cacheOf("raced", "k", { content: digest("e") }), cacheOf("raced", "k", { content: digest("f") })];
		const added = await Promise.all([addCache(env.DB, one, 1), addCache(env.DB, other, 1)]);
		expect(new Set(added.map(({ entryId }) => entryId)).size).toBe(1);
		expect(await addCache(env.DB, one, 2)).toEqual(added[0]);
		expect((await findExact(env.DB, place("raced"), "k", ["branch main"]))?.created_at).toBe(1);
	});
});
