export { type StorageUse, storageUse } from "./storage_use.ts";
export { assertMayStore } from "./stored_bytes.ts";

import type { QuotaChange, QuotaState } from "../../schema/wire/quotas.ts";
import { bytesOfTeam } from "../caches/service.ts";
import type { RequestContext } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { forgetQuotas } from "../platform/team_quotas.ts";
import { storedBytes } from "./stored_bytes.ts";

/** The quotas of a team. Its Dispatcher keeps them. */

type Caller = Pick<RequestContext<"user">, "environment" | "principal" | "noted">;

/** The quotas, and how much of each is used. */
export async function quotaState({ environment, principal: { team } }: Pick<Caller, "environment" | "principal">): Promise<QuotaState> {
	const [{ quotas, queued, running }, stored, caches] = await Promise.all([
		dispatcherOf(environment, team).readQuotas(),
		storedBytes(environment.DB, team),
		bytesOfTeam(environment.DB, team),
	]);
	return { quotas, use: { queued_jobs: queued, running_jobs: running, stored_bytes: stored, cache_bytes: caches } };
}

export async function changeQuotas({ environment, principal: { team }, noted }: Caller, change: QuotaChange): Promise<void> {
	await dispatcherOf(environment, team).setQuotas(change);
	forgetQuotas(team);
	for (const [name, value] of Object.entries(change)) noted[name] = value === null ? "none" : String(value);
}
