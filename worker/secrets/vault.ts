import { and, asc, eq, exists, inArray, lt, notLike, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { dataKeys, secrets } from "../../schema/database/tables.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import type { Secret } from "../../schema/wire/secrets.ts";
import type { Environment } from "../bindings.ts";
import { decrypt, encrypt } from "./cipher.ts";
import { addDataKey, type DataKey, dataKey, newestDataKey } from "./keys.ts";

/** The secrets of teams and projects, stored encrypted. Only starting jobs get their values. */

type SecretRow = typeof secrets.$inferSelect;
/** An encrypted text and the data key that opens it. */
export type SealedText = Pick<SecretRow, "data_key" | "iv" | "ciphertext">;

/** The project column of a secret for every project of its team. */
const EVERY_PROJECT = "";
const ROTATION_BATCH = 50;
const MAX_TRIES = 5;
/** Bounds a rotation: so many rounds of one batch each. */
const MAX_ROUNDS = 1_000;

/** The key of a secret; a null project means every project of the team. */
export interface SecretPlace {
	team: string;
	project: string | null;
	name: string;
}

/**
 * Sets or replaces a secret.
 * @returns its metadata, and whether it is new
 */
export async function putSecret(environment: Environment, place: SecretPlace, value: string): Promise<{ secret: Secret; isNew: boolean }> {
	const now = Date.now();
	for (let tries = 1; ; tries += 1) {
		const key = await newestDataKey(environment, place.team);
		const encrypted = await encrypt(key.key, value, contextOf(place));
		// Only with an existing key: a rotation may have deleted it in the meantime.
		const rows = await drizzle(environment.DB).all<{ created_at: number; updated_at: number }>(sql`
			INSERT INTO secrets (team, project, name, data_key, iv, ciphertext, created_at, updated_at)
			SELECT ${place.team}, ${place.project ?? EVERY_PROJECT}, ${place.name}, id, ${encrypted.iv}, ${encrypted.text}, ${now}, ${now} FROM data_keys WHERE id = ${key.id}
			ON CONFLICT (team, project, name) DO UPDATE SET data_key = excluded.data_key, iv = excluded.iv, ciphertext = excluded.ciphertext, updated_at = excluded.updated_at
			RETURNING created_at, updated_at`);
		const [row] = rows;
		if (row) return { secret: present({ ...place, project: place.project ?? EVERY_PROJECT, ...row }), isNew: row.created_at === now };
		if (tries === MAX_TRIES) throw new Error("concurrent rotations deleted the data key of a secret on every try");
	}
}

/** The secrets of a team, or those that jobs of one project can use, by name. */
export async function listSecrets(db: D1Database, team: string, project: string | null): Promise<Secret[]> {
	// What is no project's is a client secret of an identity provider.
	const isInScope = project === null ? notLike(secrets.project, "@%") : inArray(secrets.project, [EVERY_PROJECT, project]);
	const rows = await drizzle(db)
		.select()
		.from(secrets)
		.where(and(eq(secrets.team, team), isInScope))
		.orderBy(asc(secrets.name), asc(secrets.project));
	return rows.map(present);
}

/** @returns false if the secret does not exist */
export async function deleteSecret(db: D1Database, { team, project, name }: SecretPlace): Promise<boolean> {
	const rows = await drizzle(db)
		.delete(secrets)
		.where(and(eq(secrets.team, team), eq(secrets.project, project ?? EVERY_PROJECT), eq(secrets.name, name)))
		.returning({ name: secrets.name });
	return rows.length > 0;
}

/** The names without a secret that a job of this project can use. */
export async function missingSecrets(db: D1Database, team: string, project: string, names: readonly string[]): Promise<string[]> {
	const found = new Set((await rowsFor(db, team, project, names)).map(({ name }) => name));
	return names.filter((name) => !found.has(name));
}

/**
 * The values of secrets for a job of this project, without missing ones. A secret of the project
 * overrides one of the team.
 */
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
		if (tries === MAX_TRIES) throw new Error("concurrent rotations deleted the data keys of secrets on every try");
	}
}

async function rowsFor(db: D1Database, team: string, project: string, names: readonly string[]): Promise<SecretRow[]> {
	if (names.length === 0) return [];
	// One JSON parameter, because D1 limits the number of parameters.
	const isNamed = sql`${secrets.name} IN (SELECT value FROM json_each(${JSON.stringify(names)}))`;
	return drizzle(db)
		.select()
		.from(secrets)
		.where(and(eq(secrets.team, team), inArray(secrets.project, [EVERY_PROJECT, project]), isNamed))
		.orderBy(asc(secrets.project));
}

/**
 * Re-encrypts every secret of a team with a new data key, and deletes the older data keys. Of two
 * concurrent rotations the newer key wins.
 * @returns the number of re-encrypted secrets
 * @throws ApiError `unavailable` if a secret cannot be decrypted; its key stays
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
		// A concurrent write may still have used an older key.
		const older = and(eq(dataKeys.team, team), lt(dataKeys.id, key.id));
		if ((await drizzle(environment.DB).select().from(dataKeys).where(older).limit(1)).length === 0) return rotated;
	}
	throw new ApiError("unavailable", "Some secrets could not be re-encrypted, because their data keys are missing or change all the time.", {
		suggestions: ["Find the secrets with windlass secrets ls, and set or delete each of them."],
	});
}

/** @returns false if the secret changed, or a newer rotation has deleted the key */
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

/** The value; null if a rotation has deleted the key since the row was read. */
async function decryptedValue(environment: Environment, row: SecretRow): Promise<string | null> {
	const key = await dataKey(environment, row.team, row.data_key);
	if (!key) return null;
	const value = await decrypt(key, { iv: row.iv, text: row.ciphertext }, contextOf(row));
	if (value !== null) return value;
	throw new ApiError("unavailable", `The secret ${row.name} cannot be decrypted: its stored value was changed.`, {
		suggestions: [`Set it again: windlass secrets set ${row.name}${row.project === EVERY_PROJECT ? "" : ` --project ${row.project}`}`],
	});
}

/** Encrypts a text with the newest data key of a team, to be opened with the same context. */
export async function sealText(environment: Environment, team: string, text: string, context: string): Promise<SealedText> {
	const { id, key } = await newestDataKey(environment, team);
	const { iv, text: ciphertext } = await encrypt(key, text, context);
	return { data_key: id, iv, ciphertext };
}

/** The text; null if a rotation has deleted its data key, or the context is another one. */
export async function openText(environment: Environment, team: string, sealed: SealedText, context: string): Promise<string | null> {
	const key = await dataKey(environment, team, sealed.data_key);
	return key && decrypt(key, { iv: sealed.iv, text: sealed.ciphertext }, context);
}

/** The context of a ciphertext: its row. */
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
