import { NO_QUOTAS, type Quotas } from "../../schema/wire/quotas.ts";
import type { Environment } from "../bindings.ts";
import { TrustedRows } from "../identity/trusted_rows.ts";
import { dispatcherOf } from "./dispatcher.ts";

/** The quotas of teams, as their Dispatchers keep them. */

const trusted = new TrustedRows<Quotas>();

/** The quotas of a team, as of two seconds ago. */
export async function quotasOfTeam(environment: Environment, team: string): Promise<Quotas> {
	const look = async () => (await dispatcherOf(environment, team).readQuotas()).quotas;
	return (await trusted.get(team, look)) ?? NO_QUOTAS;
}

/** Forgets the quotas of a team, after a change. */
export function forgetQuotas(team: string): void {
	trusted.evict(team);
}
