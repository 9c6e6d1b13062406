import { and, desc, eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { decodeTime, ulid } from "ulid";
import { dataKeys } from "../../schema/database/tables.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import type { Environment } from "../bindings.ts";
import { decrypt, type Encrypted, encrypt, fromBase64, toBase64 } from "./cipher.ts";

/**
 * Two kinds of keys. Secrets are encrypted with a data key of their team, which D1 keeps wrapped by the master key; the master key is
 * known to whoever runs the coordinator and is never stored beside them. So a copy of the database opens nothing.
 */

const MASTER_KEY_BYTES = 32;
const KEY_PREFIX = "key_";

export interface DataKey {
	id: string;
	key: CryptoKey;
}

/** Data keys that are open. A key never changes under its id. */
const cachedKeys = new Map<string, CryptoKey>();
const MAX_CACHED = 100;

/** The data key that new secrets of a team are encrypted with; made where there is none. */
export async function newestDataKey(environment: Environment, team: string): Promise<DataKey> {
	const [row] = await drizzle(environment.DB).select().from(dataKeys).where(eq(dataKeys.team, team)).orderBy(desc(dataKeys.id)).limit(1);
	return row ? { id: row.id, key: await openDataKey(environment, row) } : addDataKey(environment, team);
}

/** Makes a further data key, wrapped by the present master key. */
export async function addDataKey(environment: Environment, team: string): Promise<DataKey> {
	const [newest] = await drizzle(environment.DB)
		.select({ id: dataKeys.id })
		.from(dataKeys)
		.where(eq(dataKeys.team, team))
		.orderBy(desc(dataKeys.id))
		.limit(1);
	// Later than all before it, whatever the clock says: the order of the ids says which key is newer.
	const after = newest ? decodeTime(newest.id.slice(KEY_PREFIX.length)) + 1 : 0;
	const id = `${KEY_PREFIX}${ulid(Math.max(Date.now(), after))}`;
	const raw = crypto.getRandomValues(new Uint8Array(32));
	const { iv, text } = await encrypt(await masterKey(environment), toBase64(raw), contextOf(team, id));
	await drizzle(environment.DB).insert(dataKeys).values({ id, team, iv, wrapped: text, created_at: Date.now() });
	return { id, key: await importKey(raw) };
}

/** @returns null for a key that a rotation has removed. @throws ApiError `unavailable` for one that neither master key opens */
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
	if (cachedKeys.size >= MAX_CACHED) cachedKeys.clear();
	cachedKeys.set(id, key);
	return key;
}

/** With the present master key, or, until everything is encrypted anew, with the one before it. */
async function unwrap(environment: Environment, encrypted: Encrypted, context: string): Promise<string> {
	const present = await decrypt(await masterKey(environment), encrypted, context);
	if (present !== null) return present;
	const before = environment.MASTER_KEY_BEFORE
		? await decrypt(await importMaster(environment.MASTER_KEY_BEFORE), encrypted, context)
		: null;
	if (before !== null) return before;
	throw new ApiError("unavailable", "The secrets cannot be read: the master key is not the one that they were encrypted with.", {
		suggestions: ["Start the coordinator with the master key that it had (WINDLASS_MASTER_KEY, or master.key in its data folder)."],
	});
}

/** @throws ApiError `unavailable` where none is set */
function masterKey(environment: Environment): Promise<CryptoKey> {
	if (environment.MASTER_KEY) return importMaster(environment.MASTER_KEY);
	throw new ApiError("unavailable", "There is no master key, so no secrets can be kept.", {
		suggestions: ["On Cloudflare: openssl rand -base64 32 | wrangler secret put MASTER_KEY"],
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

/** What a wrapped key is bound to: put elsewhere it does not open. */
function contextOf(team: string, id: string): string {
	return JSON.stringify(["data key", team, id]);
}
