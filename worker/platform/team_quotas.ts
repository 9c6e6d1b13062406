import type { Quotas } from "../../schema/wire/quotas.ts";
import type { Environment } from "../bindings.ts";
import { dispatcherOf } from "./dispatcher.ts";
import { timedCache } from "./timed_cache.ts";

/** The quotas of teams, as their Dispatchers keep them. */

/** How long a change may be missed in another isolate, in milliseconds. */
const TRUST_MS = 10_000;
const trusted = timedCache<Quotas>(1_000, TRUST_MS);

export async function quotasOfTeam(environment: Environment, team: string): Promise<Quotas> {
	const known = trusted.get(team);
	if (known) return known;
	const { quotas } = await dispatcherOf(environment, team).readQuotas();
	trusted.set(team, quotas);
	return quotas;
}

/** Forgets the quotas of a team, after a change. */
export function forgetQuotas(team: string): void {
	trusted.delete(team);
}
