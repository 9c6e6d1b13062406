import type * as z from "zod";
import type { askWarmCaches, warmCaches } from "../../schema/wire/caches.ts";
import type { Environment } from "../bindings.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { unwrap } from "../platform/result.ts";
import { presentFound } from "./find_caches.ts";
import { mostUsed } from "./store.ts";

/** How recently a cache must have been used. */
const RECENT_MS = 14 * 24 * 60 * 60_000;

/** The caches that an agent fetches before its first job: those that jobs of its labels use most. */
export async function warmCachesFor(
	environment: Environment,
	{ team, agentId, secretHash }: { team: string; agentId: string; secretHash: string },
	{ count, platform }: z.infer<typeof askWarmCaches>,
): Promise<z.infer<typeof warmCaches>> {
	const dispatcher = dispatcherOf(environment, team);
	unwrap(await dispatcher.checkCredential({ agentId, secretHash }));
	const { agent } = unwrap(await dispatcher.readAgent(agentId));
	// Jobs of forks run there: they could read what is kept.
	if (agent.runs === "untrusted") return { caches: [] };
	const [labels, projects] = [JSON.parse(agent.labels) as string[], JSON.parse(agent.projects) as string[]];
	const found = await mostUsed(environment.DB, { team, platform, labels, projects, since: Date.now() - RECENT_MS }, count);
	await dispatcher.recordWarmed(
		agentId,
		found.map(({ project }) => project),
	);
	// There is no attempt yet: the address is the agent's own.
	const reader = { attemptId: "", leaseId: "", jobId: "", agentId, team, shard: 0 };
	const caches = await Promise.all(
		found.map(async ({ project, paths, ...cache }) => ({
			...(await presentFound(environment, reader, { ...cache, project }, cache.key)),
			project,
			paths,
		})),
	);
	return { caches };
}
