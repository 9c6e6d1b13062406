import { formatBytes } from "../../schema/wire/bytes.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import type { Environment } from "../bindings.ts";
import { quotasOfTeam } from "../platform/team_quotas.ts";
import { storageUse } from "./storage_use.ts";

/** How many bytes a team may store. */

/** How many bytes of logs, artifacts and sources a team stores. */
export async function storedBytes(db: D1Database, team: string): Promise<number> {
	const { logBytes, artifactBytes, sourceBytes } = await storageUse(db, team);
	return logBytes + artifactBytes + sourceBytes;
}

/**
 * @param bytes how many more the team wants to store
 * @throws ApiError `quota_exceeded`. What was stored in the last minute may not be counted yet.
 */
export async function assertMayStore(environment: Environment, team: string, bytes: number): Promise<void> {
	const { stored_bytes: most } = await quotasOfTeam(environment, team);
	if (most === null) return;
	const used = await storedBytes(environment.DB, team);
	if (used + bytes <= most) return;
	const [has, more, may] = [used, bytes, most].map(formatBytes);
	throw new ApiError("quota_exceeded", `The team stores ${has}. With ${more} more it is above its quota of ${may}.`, {
		details: { quota: "stored_bytes", most, used, asked: bytes },
		suggestions: [
			"Delete runs that nobody needs (windlass rm), or keep artifacts and logs for a shorter time: docs/how-to/retention.md.",
			"An operator changes quotas: windlass quotas set",
		],
	});
}
