import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import type { Environment } from "../../worker/bindings.ts";
import { makeRoom } from "../../worker/caches/evict_caches.ts";
import { deleteUnnamedContents, knownObjects, leastRecentlyUsed, listRemovals, removeEntries } from "../../worker/caches/removals.ts";
import { addCache, cacheTotals, findByPrefix, findExact, listCaches, type NewCache, replaceCache } from "../../worker/caches/store.ts";

/** Caches in D1: many keys, contents that several share, and saves at the same time. */

const digest = (text: string) => text.padEnd(64, "0");
let made = 0;

function cacheOf(project: string, key: string, changes: Partial<NewCache> = {}): NewCache {
	made += 1;
	return {
		...{ id: `cch_${String(made).padStart(26, "0")}`, team: "default", project, variant: digest("v"), scope: "branch main", key },
		...{ job_id: "job_1", isTrusted: true, content: digest(key.length.toString(16)), size: 10, unpacked_bytes: 20, files: 1 },
		...{ parts: [{ sha256: digest("a"), size: 10 }], paths: ["deps"], platform: "linux-x64", labels: [] },
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
		expect(
			(await leastRecentlyUsed(env.DB, { of: { team: "default", project: "many" }, isTrusted: true, kept: "" }, 2)).map(({ key }) => key),
		).toEqual(["npm-0", "seed"]);
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
		const of = { team: "default", project: "shared" };
		const all = [true, false].map((isTrusted) => leastRecentlyUsed(env.DB, { of, isTrusted, kept: "" }, 10));
		const [trusted = [], untrusted = []] = await Promise.all(all);
		expect([trusted.map(({ id }) => id), untrusted.map(({ id }) => id)]).toEqual([[first.id, second.id], [fork.id]]);
		expect((await removeEntries(env.DB, trusted.slice(0, 1), "quota", 5)).map(({ id }) => id)).toEqual([]);
		expect((await removeEntries(env.DB, [...trusted.slice(1), ...untrusted], "quota", 5)).map(({ id }) => id).sort()).toEqual(
			[first.id, fork.id].sort(),
		);
		expect(await cacheTotals(env.DB, "default", "unshared")).toEqual({ count: 1, bytes: 10, tools: [] });
	});

	test("of two saves of one key at once is the first one's, and a repeated save is the same", async () => {
		const [one, other] = [cacheOf("raced", "k", { content: digest("e") }), cacheOf("raced", "k", { content: digest("f") })];
		const added = await Promise.all([addCache(env.DB, one, 1), addCache(env.DB, other, 1)]);
		expect(new Set(added.map(({ entryId }) => entryId)).size).toBe(1);
		expect(await addCache(env.DB, one, 2)).toEqual(added[0]);
		expect((await findExact(env.DB, place("raced"), "k", ["branch main"]))?.created_at).toBe(1);
		// The content of the second one, to which nothing leads, takes no room.
		expect(await cacheTotals(env.DB, "default", "raced")).toEqual({ count: 1, bytes: 10, tools: [] });
	});

	test("that was replaced while it was to be removed stays, and one that nothing leads to is deleted", async () => {
		const of = { team: "default", project: "replaced" };
		await replaceCache(env.DB, cacheOf("replaced", "k", { variant: "ccache" }), 1);
		const found = await leastRecentlyUsed(env.DB, { of, isTrusted: true, kept: "" }, 1);
		const newer = cacheOf("replaced", "k", { variant: "ccache", content: digest("f") });
		expect((await replaceCache(env.DB, newer, 2))?.id).toBe(found[0]?.object_id);
		expect(await removeEntries(env.DB, found, "quota", 3)).toEqual([]);
		const usage = { count: 0, bytes: 10, tools: [{ tool: "ccache", results: 1, bytes: 10 }] };
		expect(await cacheTotals(env.DB, "default", "replaced")).toEqual(usage);
		await env.DB.prepare("DELETE FROM cache_entries WHERE project = 'replaced'").run();
		await deleteUnnamedContents(env.DB);
		expect(await cacheTotals(env.DB, "default", "replaced")).toEqual({ count: 0, bytes: 0, tools: [] });
	});

	test("is among those that D1 knows, of hundreds at once", async () => {
		const known = cacheOf("known", "k");
		await addCache(env.DB, known, 1);
		const ids = Array.from({ length: 500 }, (_, index) => (index === 250 ? known.id : `cch_none_${index}`));
		expect([...(await knownObjects(env.DB, ids))]).toEqual([known.id]);
	});
});

describe("the room of a project", () => {
	const trusted = (key: string, size: number) => cacheOf("room", key, { size, content: digest(key) });
	const untrusted = (key: string, size: number) => ({ ...trusted(key, size), isTrusted: false, scope: "fork 9" });
	const keys = async () => (await listCaches(env.DB, "default", "room", 10, null)).map(({ key }) => key).sort();
	const save = async (added: NewCache, now: number) => {
		await addCache(env.DB, added, now);
		const { id, team, project, size, isTrusted } = added;
		await makeRoom({ ...env, CACHE_PROJECT_BYTES: "1000" } as Environment, { id, team, project, size, isTrusted });
		return keys();
	};

	test("is taken from forks first, then from the least recently used, and never for a cache that has no room alone", async () => {
		for (const [index, key] of ["a", "b", "c"].entries()) await save(trusted(key, 300), index);
		expect(await save(trusted("large", 1001), 4)).toEqual(["a", "b", "c"]);
		expect(await save(untrusted("d", 100), 5)).toEqual(["a", "b", "c", "d"]);
		// What a fork saves takes nothing from trusted runs.
		expect(await save(untrusted("e", 200), 6)).toEqual(["a", "b", "c"]);
		expect(await save(untrusted("d", 100), 7)).toEqual(["a", "b", "c", "d"]);
		expect(await save(trusted("f", 300), 8)).toEqual(["b", "c", "f"]);
		expect((await listRemovals(env.DB, "default", "room")).map(({ key }) => key).sort()).toEqual(["a", "d", "d", "e", "large"]);
	});
});
