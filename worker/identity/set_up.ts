import { and, isNull, ne } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { tokens } from "../../schema/database/tables.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import type { Environment } from "../bindings.ts";
import { assertMigrated } from "../platform/schema_version.ts";
import { ensureFirstOwner } from "./first_owner.ts";

/** What a coordinator needs before it can serve. The local host brings it all; under wrangler a person does. */

let hasSomebody = false;

/** @throws ApiError `unavailable` with what is missing, and the command that brings it */
export async function assertSetUp(environment: Environment): Promise<void> {
	await assertMigrated(environment);
	if (environment.HOST_SECRET !== undefined) return;
	if (!environment.SIGNING_KEY) throw notSetUp("SIGNING_KEY is not set, so nothing can be signed");
	await ensureFirstOwner(environment);
	hasSomebody ||= await hasToken(environment.DB);
	if (!hasSomebody) throw notSetUp("ADMIN_TOKEN is not set, so nobody can sign in");
}

/** Whether there is a token with which somebody can sign in. */
async function hasToken(db: D1Database): Promise<boolean> {
	const found = await drizzle(db)
		.select({ id: tokens.id })
		.from(tokens)
		.where(and(ne(tokens.kind, "person"), isNull(tokens.revoked_at)))
		.limit(1);
	return found.length > 0;
}

/** @param what is missing, as the end of a sentence */
function notSetUp(what: string): ApiError {
	return new ApiError("unavailable", `The coordinator is not set up: ${what}.`, {
		suggestions: ["On your own machine, run: npm run dev", "On Cloudflare, run: npm run deploy -- --name windlass"],
	});
}
