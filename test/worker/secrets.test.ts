import { env } from "cloudflare:workers";
import { expect, test, vi } from "vitest";
import type { Environment } from "../../worker/bindings.ts";
import { deleteSecret, listSecrets, missingSecrets, putSecret, readSecrets, rotateSecrets } from "../../worker/secrets/vault.ts";

/** An environment with these master keys, whose database is real. */
function withKeys(present: string | null, before: string | null = null): Environment {
	const { MASTER_KEY: _, ...others } = env as Environment;
	return { ...others, ...(present && { MASTER_KEY: present }), ...(before && { MASTER_KEY_BEFORE: before }) };
}

const keyOf = (byte: number) => btoa(String.fromCharCode(...new Uint8Array(32).fill(byte)));
const valuesOf = async (environment: Environment, team: string, project: string, ...names: string[]) =>
	Object.fromEntries(await readSecrets(environment, team, project, names));
const rowsOf = async (team: string) =>
	(await env.DB.prepare("SELECT * FROM secrets WHERE team = ? ORDER BY name, project").bind(team).all<Record<string, string>>()).results;

test("a secret is given to whom it is for; the project's own goes before the team's", async () => {
	const environment = withKeys(keyOf(1));
	const put = (project: string | null, name: string, value: string) => putSecret(environment, { team: "a", project, name }, value);
	expect((await put(null, "token", "for-everybody")).isNew).toBe(true);
	await put("web", "token", "for-web-only");
	await put("web", "key", "first-value");
	expect((await put("web", "key", "second-value ü")).isNew).toBe(false);
	expect(await valuesOf(environment, "a", "web", "token", "key", "none")).toEqual({ token: "for-web-only", key: "second-value ü" });
	expect(await valuesOf(environment, "a", "other", "token", "key")).toEqual({ token: "for-everybody" });
	expect(await valuesOf(environment, "b", "web", "token", "key")).toEqual({});
	expect(await missingSecrets(env.DB, "a", "other", ["token", "key"])).toEqual(["key"]);
	expect((await listSecrets(env.DB, "a", null)).map(({ name, project }) => [name, project])).toEqual([
		["key", "web"],
		["token", null],
		["token", "web"],
	]);
	expect(await listSecrets(env.DB, "a", "other")).toHaveLength(1);
	expect([
		await deleteSecret(env.DB, { team: "a", project: "web", name: "token" }),
		await deleteSecret(env.DB, { team: "a", project: "web", name: "token" }),
	]).toEqual([true, false]);
	expect(await valuesOf(environment, "a", "web", "token")).toEqual({ token: "for-everybody" });
});

test("a secret in the database is encrypted, and cannot be decrypted under another name", async () => {
	const environment = withKeys(keyOf(1));
	for (const name of ["one", "two"]) await putSecret(environment, { team: "c", project: null, name }, "the same value");
	const rows = await rowsOf("c");
	expect(JSON.stringify(rows)).not.toContain(btoa("the same value").slice(0, 16));
	expect(new Set(rows.flatMap(({ iv, ciphertext }) => [iv, ciphertext])).size).toBe(4);
	await env.DB.prepare(
		"UPDATE secrets SET (iv, ciphertext) = (SELECT iv, ciphertext FROM secrets WHERE team = 'c' AND name = 'one') WHERE team = 'c' AND name = 'two'",
	).run();
	await expect(valuesOf(environment, "c", "p", "two")).rejects.toThrow("its stored value was changed");
	expect(await valuesOf(environment, "c", "p", "one")).toEqual({ one: "the same value" });
});

test("without a master key, or with another one, nothing can be kept or read, and it is said why", async () => {
	const place = { team: "d", project: null, name: "one" };
	await expect(putSecret(withKeys(null), place, "a value")).rejects.toMatchObject({ code: "unavailable" });
	await putSecret(withKeys(keyOf(1)), place, "a value");
	// Another process: what was opened before is forgotten.
	await env.DB.prepare("UPDATE data_keys SET id = id || '2' WHERE team = 'd'").run();
	await env.DB.prepare("UPDATE secrets SET data_key = data_key || '2' WHERE team = 'd'").run();
	await expect(valuesOf(withKeys(keyOf(2)), "d", "p", "one")).rejects.toMatchObject({ code: "unavailable" });
});

test("rotation encrypts all anew and removes the key before; a new master key is taken up so", async () => {
	const names = Array.from({ length: 60 }, (_, index) => `s${index}`);
	for (const name of names) await putSecret(withKeys(keyOf(1)), { team: "e", project: null, name }, `value of ${name}`);
	const before = await rowsOf("e");
	expect(await rotateSecrets(withKeys(keyOf(2), keyOf(1)), "e")).toBe(60);
	const after = await rowsOf("e");
	expect(new Set([...before, ...after].map(({ data_key }) => data_key)).size).toBe(2);
	expect(after.filter(({ ciphertext }, index) => ciphertext === before[index]?.ciphertext)).toEqual([]);
	const keys = await env.DB.prepare("SELECT id FROM data_keys WHERE team = 'e'").all<{ id: string }>();
	expect(keys.results).toEqual([{ id: after[0]?.data_key }]);
	expect(await valuesOf(withKeys(keyOf(2)), "e", "p", "s0", "s59")).toEqual({ s0: "value of s0", s59: "value of s59" });
});

test("a clock that was ahead before changes nothing: the newer key is the newer one", async () => {
	const environment = withKeys(keyOf(1));
	const ahead = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 1_000_000_000);
	await putSecret(environment, { team: "g", project: null, name: "one" }, "a value");
	ahead.mockRestore();
	const before = await rowsOf("g");
	expect(await rotateSecrets(withKeys(keyOf(2), keyOf(1)), "g")).toBe(1);
	expect((await rowsOf("g"))[0]?.data_key).not.toBe(before[0]?.data_key);
	expect(await valuesOf(withKeys(keyOf(2)), "g", "p", "one")).toEqual({ one: "a value" });
});

test("a secret that cannot be read keeps its key, and it is said", async () => {
	await putSecret(withKeys(keyOf(1)), { team: "h", project: null, name: "one" }, "a value");
	await env.DB.prepare("UPDATE secrets SET iv = (SELECT iv FROM data_keys LIMIT 1) WHERE team = 'h'").run();
	await expect(rotateSecrets(withKeys(keyOf(2), keyOf(1)), "h")).rejects.toMatchObject({ code: "unavailable" });
	const keys = await env.DB.prepare("SELECT id FROM data_keys WHERE team = 'h'").all();
	expect(keys.results.length).toBeGreaterThan(1);
});

test("secrets that are set while all are encrypted anew are not lost", async () => {
	const environment = withKeys(keyOf(1));
	const put = (name: string, value: string) => putSecret(environment, { team: "f", project: null, name }, value);
	const names = Array.from({ length: 20 }, (_, index) => `s${index}`);
	for (const name of names) await put(name, `old ${name}`);
	await Promise.all([rotateSecrets(environment, "f"), ...names.map((name) => put(name, `new ${name}`)), rotateSecrets(environment, "f")]);
	const values = await valuesOf(environment, "f", "p", ...names);
	expect(values).toEqual(Object.fromEntries(names.map((name) => [name, `new ${name}`])));
});
