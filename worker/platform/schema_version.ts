import journal from "../../schema/database/migrations/meta/_journal.json" with { type: "json" };
import { ApiError } from "../../schema/wire/errors.ts";
import type { Environment } from "../bindings.ts";
import { errorFields, log } from "./logger.ts";

/** The newest migration that this version of the Worker needs. */
const NEWEST = `${journal.entries.at(-1)?.tag}.sql`;
let isMigrated = false;

/**
 * Rejects requests while D1 does not have the newest migration: the host still migrates it, or a
 * deployment precedes `wrangler d1 migrations apply`. The check ends for good once the migration
 * is there.
 * @throws ApiError `unavailable`
 */
export async function assertMigrated({ DB, HOST_SECRET }: Environment): Promise<void> {
	if (isMigrated) return;
	const found = await DB.prepare("SELECT 1 FROM d1_migrations WHERE name = ?")
		.bind(NEWEST)
		.first()
		.catch((error) => {
			// Only a database without migrations does not have the table; other errors persist until a person acts.
			if (/no such table/i.test(String(error))) return null;
			log("error", "the database (D1) does not answer", errorFields(error));
			throw new ApiError("unavailable", "The coordinator's database (D1) does not answer.", {
				suggestions: ["Read the cause in the log of the coordinator."],
				headers: { "Retry-After": "5" },
			});
		});
	if (!found) {
		throw new ApiError("unavailable", `The database of the coordinator does not have the migration ${NEWEST}.`, {
			suggestions:
				HOST_SECRET === undefined
					? ["On your own machine, run: npm run dev", "On Cloudflare, run: npm run deploy -- --name windlass"]
					: ["The coordinator is starting. Repeat the request in a few seconds."],
			headers: { "Retry-After": "1" },
		});
	}
	isMigrated = true;
}
