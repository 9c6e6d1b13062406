import type { AtEnd } from "../support/processes.ts";
import type { FuzzFailure, FuzzProperty } from "./fuzz_property.ts";
import { addressProperties } from "./network/addresses.ts";
import { brokenOffProperties } from "./network/broken_off.ts";
import { credentialProperties } from "./network/credentials.ts";
import { jsonProperties } from "./network/json_bodies.ts";
import { logProperties } from "./network/logs.ts";
import { partProperties } from "./network/parts.ts";
import { rawProperties } from "./network/raw_requests.ts";
import { submissionRequests } from "./network/submissions.ts";
import { Target } from "./network/target.ts";
import { logReadingProperties } from "./pure/log_reading.ts";
import { spoolProperties } from "./pure/log_spool.ts";
import { queueProperties } from "./pure/queue_protocol.ts";
import { sizeAndTimeProperties } from "./pure/sizes_and_times.ts";
import { bundleProperties } from "./pure/source_bundles.ts";
import { submissionProperties } from "./pure/submissions.ts";
import { unpackingProperties } from "./pure/unpacking.ts";

/** What is fuzzed inside of this process. */
export const PURE: readonly FuzzProperty[] = [
	...sizeAndTimeProperties,
	...submissionProperties,
	...bundleProperties,
	...unpackingProperties,
	...logReadingProperties,
	...spoolProperties,
	...queueProperties,
];

/** What is fuzzed on a running coordinator. */
const NETWORK = [
	...credentialProperties,
	...addressProperties,
	...jsonProperties,
	...submissionRequests,
	...partProperties,
	...rawProperties,
	...brokenOffProperties,
	...logProperties,
];

export interface NetworkSuite {
	target: Target;
	properties: readonly FuzzProperty[];
}

export async function startNetwork(atEnd: AtEnd): Promise<NetworkSuite> {
	const target = await Target.start(atEnd);
	return { target, properties: NETWORK.map((property) => property(target)) };
}

/** The names and shares of all properties, whether a coordinator runs or not. */
export const NETWORK_PLAN: readonly Pick<FuzzProperty, "name" | "weight" | "most">[] = NETWORK.map((property) => property(null as never));
const PLAN = [...PURE, ...NETWORK_PLAN];

/** How many cases each property gets of so many in all: by its weight, and what is too many for one goes to the others. */
export function sharesOf(cases: number): Map<string, number> {
	const shares = new Map(PLAN.map(({ name }) => [name, 1]));
	let open = PLAN;
	for (let left = cases - PLAN.length; left > 0 && open.length > 0; ) {
		const weights = open.reduce((sum, { weight }) => sum + weight, 0);
		let given = 0;
		for (const { name, weight, most } of open) {
			const share = shares.get(name) ?? 0;
			const more = Math.min(most - share, Math.ceil((left * weight) / weights), left - given);
			shares.set(name, share + more);
			given += more;
		}
		if (given === 0) break;
		left -= given;
		open = open.filter(({ name, most }) => (shares.get(name) ?? 0) < most);
	}
	return shares;
}

/** The command that leads straight to what has failed. */
export function replayOf({ name, seed, path, cases }: FuzzFailure): string {
	const where = path === "" ? `--cases ${cases}` : `--path ${path}`;
	return `npm run fuzz -- --only ${JSON.stringify(name)} --seed ${seed} ${where}`;
}
