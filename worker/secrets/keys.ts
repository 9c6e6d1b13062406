import { and, desc, eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { LRUCache } from "lru-cache";
import { decodeTime, ulid } from "ulid";
import { dataKeys } from "../../schema/database/tables.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import type { Environment } from "../bindings.ts";
import { fromBase64, toBase64 } from "../platform/bytes.ts";
import { decrypt, type Encrypted, encrypt } from "./cipher.ts";

/**
 * Two kinds of keys. A data key of a team encrypts its secrets; D1 stores it wrapped by the master
 * key. The master key is never stored in the database, so a copy of the database reveals no
 * secret.
 */

const MASTER_KEY_BYTES = 32;
const KEY_PREFIX = "key_";

export interface DataKey {
	id: string;
	key: CryptoKey;
}

/** Unwrapped data keys. A key never changes under its id. */
const cachedKeys = new LRUCache<string, CryptoKey>({ max: 100 });

/** The newest data key of a team; creates the first one. */
export async function newestDataKey(environment: Environment, team: string): Promise<DataKey> {
	const [row] = await drizzle(environment.DB).select().from(dataKeys).where(eq(dataKeys.team, team)).orderBy(desc(dataKeys.id)).limit(1);
	return row ? { id: row.id, key: await openDataKey(environment, row) } : addDataKey(environment, team);
}

/** Creates a data key, wrapped by the present master key. */
export async function addDataKey(environment: Environment, team: string): Promise<DataKey> {
	const [newest] = await drizzle(environment.DB)
		.select({ id: dataKeys.id })
		.from(dataKeys)
		.where(eq(dataKeys.team, team))
		.orderBy(desc(dataKeys.id))
		.limit(1);
	// Ids order the keys, so a new id is later than all others, even if the clock was set back.
	const after = newest ? decodeTime(newest.id.slice(KEY_PREFIX.length)) + 1 : 0;
	const id = `${KEY_PREFIX}${ulid(Math.max(Date.now(), after))}`;
	const raw = crypto.getRandomValues(new Uint8Array(32));
	const { iv, text } = await encrypt(await masterKey(environment), toBase64(raw), contextOf(team, id));
	await drizzle(environment.DB).insert(dataKeys).values({ id, team, iv, wrapped: text, created_at: Date.now() });
	return { id, key: await importKey(raw) };
}

/**
 * A data key by its id.
 * @returns null for a key that a rotation has deleted
 * @throws ApiError `unavailable` if neither master key unwraps it
 */
export async function dataKey(environment: Environment, team: string, id: string): Promise<CryptoKey | null> {
	const known = cachedKeys.get(id);
	if (known) return known;
	const [row] = await drizzle(environment.DB)
		.select()
		.from(dataKeys)
		.where(and(eq(dataKeys.team, team), eq(dataKeys.id, id)));
	return row ? openDataKey(environment, row) : null;
}

async function openDataKey(environment: Environment, { id, team, iv, wrapped }: typeof dataKeys.$inferSelect): Promise<CryptoKey> {
	const known = cachedKeys.get(id);
	if (known) return known;
	const key = await importKey(fromBase64(await unwrap(environment, { iv, text: wrapped }, contextOf(team, id))));
	cachedKeys.set(id, key);
	return key;
}

/** Unwraps with the present master key, or with the former one until a rotation has ended. */
async function unwrap(environment: Environment, encrypted: Encrypted, context: string): Promise<string> {
	const present = await decrypt(await masterKey(environment), encrypted, context);
	if (present !== null) return present;
	const before = environment.MASTER_KEY_BEFORE
		? await decrypt(await importMaster(environment.MASTER_KEY_BEFORE), encrypted, context)
		: null;
	if (before !== null) return before;
	throw new ApiError("unavailable", "The secrets cannot be decrypted, because the master key is a different one.", {
		suggestions: ["Start the coordinator with its former master key (WINDLASS_MASTER_KEY, or master.key in its data folder)."],
	});
}

/** @throws ApiError `unavailable` if no master key is set */
function masterKey(environment: Environment): Promise<CryptoKey> {
	if (environment.MASTER_KEY) return importMaster(environment.MASTER_KEY);
	throw new ApiError("unavailable", "The coordinator has no master key, so it cannot store secrets.", {
		suggestions: ["On Cloudflare, run: openssl rand -base64 32 | wrangler secret put MASTER_KEY"],
	});
}

async function importMaster(base64: string): Promise<CryptoKey> {
	const bytes = fromBase64(base64);
	if (bytes.byteLength !== MASTER_KEY_BYTES) throw new Error(`the master key must be ${MASTER_KEY_BYTES} bytes in base64`);
	return importKey(bytes);
}

function importKey(bytes: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
	return crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
}

/** The context of a wrapped key. */
function contextOf(team: string, id: string): string {
	return JSON.stringify(["data key", team, id]);
}
