import { and, eq, inArray, isNull, ne } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { sessions, tokens } from "../../schema/database/tables.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { DEFAULT_TEAM } from "../../schema/wire/teams.ts";
import type { Environment } from "../bindings.ts";
import { log } from "../platform/logger.ts";
import { sha256 } from "./digest.ts";
import { UNGUESSABLE_LENGTH } from "./throttle.ts";
import { evictTokens } from "./tokens_store.ts";

/** The first owner of a coordinator without a host of its own: `ADMIN_TOKEN`, a secret of the Worker, is the admin token. */

/** The token that this isolate has ensured. */
let ensured: string | null = null;

/**
 * Makes sure that ADMIN_TOKEN is the admin token. Another one than before takes its place, and its
 * sessions end.
 * @throws ApiError `unavailable` for a token that can be guessed
 */
export async function ensureFirstOwner({ DB, ADMIN_TOKEN }: Pick<Environment, "DB" | "ADMIN_TOKEN">): Promise<void> {
	if (!ADMIN_TOKEN || ADMIN_TOKEN === ensured) return;
	if (ADMIN_TOKEN.length < UNGUESSABLE_LENGTH) {
		throw new ApiError("unavailable", `ADMIN_TOKEN has fewer than ${UNGUESSABLE_LENGTH} characters, and can be guessed.`, {
			suggestions: ["Set a longer one: echo wlu_$(openssl rand -hex 24)"],
		});
	}
	const hash = await sha256(ADMIN_TOKEN);
	const database = drizzle(DB);
	const live = and(eq(tokens.kind, "admin"), isNull(tokens.revoked_at));
	const [known] = await database.select({ revokedAt: tokens.revoked_at }).from(tokens).where(eq(tokens.hash, hash));
	// The person who revoked it may know that it has leaked.
	if (known && known.revokedAt !== null) log("error", "ADMIN_TOKEN was revoked, and stays so: set another one", {});
	if (!known) {
		const now = Date.now();
		const admins = database.select({ id: tokens.id }).from(tokens).where(eq(tokens.kind, "admin"));
		const row = { id: adminTokenId(hash), team: DEFAULT_TEAM, kind: "admin", name: "admin", hash, created_at: now } as const;
		await database.batch([
			database.delete(sessions).where(inArray(sessions.token_id, admins)),
			database
				.update(tokens)
				.set({ revoked_at: now })
				.where(and(live, ne(tokens.hash, hash))),
			// Another isolate may have been first.
			database.insert(tokens).values(row).onConflictDoNothing(),
		]);
		evictTokens();
		log("info", "ADMIN_TOKEN is the admin token now", { token: row.id });
	}
	ensured = ADMIN_TOKEN;
}

/** The id of an admin token, from its hash in hex. */
function adminTokenId(hash: string): string {
	return `tok_${hash.slice(0, 26)}`;
}
