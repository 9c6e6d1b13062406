import journal from "../../schema/database/migrations/meta/_journal.json" with { type: "json" };
import { ApiError } from "../../schema/wire/errors.ts";
import { errorFields, log } from "./logger.ts";

/** The migration that this version of the Worker needs to be there. */
const NEWEST = `${journal.entries.at(-1)?.tag}.sql`;
let isMigrated = false;

/**
 * Nothing is served from a D1 that lacks what this version needs: one that the host is still preparing, or a deployment before its
 * `wrangler d1 migrations apply`. Asked until it is there, and never again.
 * @throws ApiError `unavailable`
 */
export async function assertMigrated(db: D1Database): Promise<void> {
	if (isMigrated) return;
	const found = await db
		.prepare("SELECT 1 FROM d1_migrations WHERE name = ?")
		.bind(NEWEST)
		.first()
		.catch((error) => {
			// Only a database without any migration lacks the table; every other error stays one until somebody acts.
			if (/no such table/i.test(String(error))) return null;
			log("error", "the database (D1) does not answer", errorFields(error));
			throw new ApiError("unavailable", "The coordinator's database (D1) does not answer.", {
				suggestions: ["The coordinator's log says why."],
				headers: { "Retry-After": "5" },
			});
		});
	if (!found) {
		throw new ApiError("unavailable", `The coordinator is being prepared: its database does not have ${NEWEST} yet.`, {
			suggestions: ["Try again in a moment. On Cloudflare: wrangler d1 migrations apply DB --remote"],
			headers: { "Retry-After": "1" },
		});
	}
	isMigrated = true;
}
