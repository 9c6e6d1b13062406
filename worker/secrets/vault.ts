import { and, asc, eq, exists, inArray, lt, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { dataKeys, secrets } from "../../schema/database/tables.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import type { Secret } from "../../schema/wire/secrets.ts";
import type { Environment } from "../bindings.ts";
import { decrypt, encrypt } from "./cipher.ts";
import { addDataKey, type DataKey, dataKey, newestDataKey } from "./keys.ts";

/** The secrets of teams and projects, encrypted where they lie. Only a job that starts gets their values. */

type SecretRow = typeof secrets.$inferSelect;

/** What stands for the project of a secret that every project of its team may have. */
const EVERY_PROJECT = "";
const ROTATION_BATCH = 50;
const MAX_TRIES = 5;
/** So many secrets may a team have, in rounds of as many as are read at once. */
const MAX_ROUNDS = 1_000;

/** A secret by its name; null for the project: the team's own. */
export interface SecretPlace {
	team: string;
	project: string | null;
	name: string;
}

/** Keeps a value under a name, in place of the one before. @returns what can be shown of it, and whether it is new */
export async function putSecret(environment: Environment, place: SecretPlace, value: string): Promise<{ secret: Secret; isNew: boolean }> {
	const now = Date.now();
	for (let tries = 1; ; tries += 1) {
		const key = await newestDataKey(environment, place.team);
		const encrypted = await encrypt(key.key, value, contextOf(place));
		// Only with a key that is still there: a rotation may have removed it in the meantime.
		const rows = await drizzle(environment.DB).all<{ created_at: number; updated_at: number }>(sql`
			INSERT INTO secrets (team, project, name, data_key, iv, ciphertext, created_at, updated_at)
			SELECT ${place.team}, ${place.project ?? EVERY_PROJECT}, ${place.name}, id, ${encrypted.iv}, ${encrypted.text}, ${now}, ${now} FROM data_keys WHERE id = ${key.id}
			ON CONFLICT (team, project, name) DO UPDATE SET data_key = excluded.data_key, iv = excluded.iv, ciphertext = excluded.ciphertext, updated_at = excluded.updated_at
			RETURNING created_at, updated_at`);
		const [row] = rows;
		if (row) return { secret: present({ ...place, project: place.project ?? EVERY_PROJECT, ...row }), isNew: row.created_at === now };
		if (tries === MAX_TRIES) throw new Error("the data keys change faster than a secret can be kept");
	}
}

/** The secrets of a team, or of one project with those that it shares, by name. */
export async function listSecrets(db: D1Database, team: string, project: string | null): Promise<Secret[]> {
	const isInScope = project === null ? undefined : inArray(secrets.project, [EVERY_PROJECT, project]);
	const rows = await drizzle(db)
		.select()
		.from(secrets)
		.where(and(eq(secrets.team, team), isInScope))
		.orderBy(asc(secrets.name), asc(secrets.project));
	return rows.map(present);
}

/** @returns false if it was not there */
export async function deleteSecret(db: D1Database, { team, project, name }: SecretPlace): Promise<boolean> {
	const rows = await drizzle(db)
		.delete(secrets)
		.where(and(eq(secrets.team, team), eq(secrets.project, project ?? EVERY_PROJECT), eq(secrets.name, name)))
		.returning({ name: secrets.name });
	return rows.length > 0;
}

/** Which of these names a job of this project would ask for in vain. */
export async function missingSecrets(db: D1Database, team: string, project: string, names: readonly string[]): Promise<string[]> {
	const found = new Set((await rowsFor(db, team, project, names)).map(({ name }) => name));
	return names.filter((name) => !found.has(name));
}

/** The values of these names for a job of this project; what is not there is missing from the answer. The project's own goes before the team's. */
export async function readSecrets(
	environment: Environment,
	team: string,
	project: string,
	names: readonly string[],
): Promise<Map<string, string>> {
	for (let tries = 1; ; tries += 1) {
		const values = new Map<string, string>();
		let isComplete = true;
		for (const row of await rowsFor(environment.DB, team, project, names)) {
			const value = await decryptedValue(environment, row);
			if (value === null) isComplete = false;
			else values.set(row.name, value);
		}
		if (isComplete) return values;
		if (tries === MAX_TRIES) throw new Error("the data keys change faster than secrets can be read");
	}
}

async function rowsFor(db: D1Database, team: string, project: string, names: readonly string[]): Promise<SecretRow[]> {
	if (names.length === 0) return [];
	// One parameter, however many there are.
	const isNamed = sql`${secrets.name} IN (SELECT value FROM json_each(${JSON.stringify(names)}))`;
	return drizzle(db)
		.select()
		.from(secrets)
		.where(and(eq(secrets.team, team), inArray(secrets.project, [EVERY_PROJECT, project]), isNamed))
		.orderBy(asc(secrets.project));
}

/**
 * Encrypts every secret of a team anew, with a data key that the present master key wraps; the data keys before it are removed. Of two at a
 * time the one with the newer key wins.
 * @returns how many were encrypted anew
 * @throws ApiError `unavailable` if one cannot be read; the key that it needs stays
 */
export async function rotateSecrets(environment: Environment, team: string): Promise<number> {
	const key = await addDataKey(environment, team);
	let rotated = 0;
	for (let rounds = 0; rounds < MAX_ROUNDS; rounds += 1) {
		const rows = await drizzle(environment.DB)
			.select()
			.from(secrets)
			.where(and(eq(secrets.team, team), lt(secrets.data_key, key.id)))
			.limit(ROTATION_BATCH);
		for (const row of rows) if (await rotate(environment, row, key)) rotated += 1;
		if (rows.length > 0) continue;
		const unused = "DELETE FROM data_keys WHERE team = ?1 AND id < ?2 AND id NOT IN (SELECT data_key FROM secrets WHERE team = ?1)";
		await environment.DB.prepare(unused).bind(team, key.id).run();
		// A secret that was set meanwhile may still have come with a key before.
		const older = and(eq(dataKeys.team, team), lt(dataKeys.id, key.id));
		if ((await drizzle(environment.DB).select().from(dataKeys).where(older).limit(1)).length === 0) return rotated;
	}
	throw new ApiError("unavailable", "Some secrets could not be encrypted anew: the keys that they need are gone, or change all the time.", {
		suggestions: ["Set them anew, or remove them: windlass secrets ls"],
	});
}

/** @returns false if it was changed or removed in the meantime, or a newer rotation has removed the key */
async function rotate(environment: Environment, row: SecretRow, { id, key }: DataKey): Promise<boolean> {
	const value = await decryptedValue(environment, row);
	if (value === null) return false;
	const { iv, text } = await encrypt(key, value, contextOf(row));
	const db = drizzle(environment.DB);
	const theKey = db.select({ id: dataKeys.id }).from(dataKeys).where(eq(dataKeys.id, id));
	const changed = await db
		.update(secrets)
		.set({ data_key: id, iv, ciphertext: text })
		.where(
			and(eq(secrets.team, row.team), eq(secrets.project, row.project), eq(secrets.name, row.name), eq(secrets.iv, row.iv), exists(theKey)),
		)
		.returning({ name: secrets.name });
	return changed.length > 0;
}

/** The value; null if a rotation has removed the key of this row since it was read. */
async function decryptedValue(environment: Environment, row: SecretRow): Promise<string | null> {
	const key = await dataKey(environment, row.team, row.data_key);
	if (!key) return null;
	const value = await decrypt(key, { iv: row.iv, text: row.ciphertext }, contextOf(row));
	if (value !== null) return value;
	throw new ApiError("unavailable", `The secret ${row.name} does not open: it was changed where it lies.`, {
		suggestions: ["Set it anew, or remove it."],
	});
}

/** What a ciphertext is bound to: as another name's or another project's it does not open. */
function contextOf({ team, project, name }: { team: string; project: string | null; name: string }): string {
	return JSON.stringify(["secret", team, project ?? EVERY_PROJECT, name]);
}

function present({ name, project, created_at, updated_at }: Pick<SecretRow, "name" | "project" | "created_at" | "updated_at">): Secret {
	return {
		name,
		project: project === EVERY_PROJECT ? null : project,
		created_at: new Date(created_at).toISOString(),
		updated_at: new Date(updated_at).toISOString(),
	};
}
