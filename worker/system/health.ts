import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import * as z from "zod";
import { PROTOCOL_VERSION } from "../../schema/wire/limits.ts";
import { DEFAULT_TEAM } from "../../schema/wire/teams.ts";
import type { Environment, QueueHealth } from "../bindings.ts";
import { json } from "../http/answers.ts";
import { type RequestContext, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { listTeams } from "../platform/teams.ts";
import { VERSION } from "../platform/version.ts";

const LIVE = z.object({ status: z.string() });
const READINESS = z.object({
	status: z.enum(["ready", "not ready"]),
	problems: z.array(z.string()),
	outbox_waiting: z.number().nullable(),
});
const VERSIONS = z.object({ name: z.string(), version: z.string(), protocol: z.number() });

/** GET /healthz: the process runs. */
function healthz(): Response {
	return json({ status: "ok" });
}

/** Whether an admin token exists; reads the runs, too. */
const LOOK = sql`SELECT EXISTS (SELECT 1 FROM tokens WHERE kind = 'admin' AND revoked_at IS NULL) AS has_token
	FROM (SELECT count(*) FROM (SELECT 1 FROM runs LIMIT 1))`;

/** GET /readyz: 200 if requests can succeed, or 503 with the problems that a person must fix. */
async function readyz({ environment }: RequestContext): Promise<Response> {
	const [queue, record] = await Promise.allSettled([healthOfQueues(environment), drizzle(environment.DB).get<{ has_token: number }>(LOOK)]);
	const problems: string[] = [];
	if (queue.status === "rejected") problems.push("the queue does not answer");
	else {
		const { dead, deadEffects } = queue.value;
		if (dead > 0) problems.push(`the database rejected ${dead} rows of the queue; see the log`);
		if (deadEffects > 0) problems.push(`${deadEffects} side effects have failed on every try; see the log`);
	}
	if (record.status === "rejected") problems.push("the database does not answer");
	else if (record.value?.has_token !== 1) problems.push("no admin token exists");
	if (!environment.SIGNING_KEY) problems.push("SIGNING_KEY is not set, so agents get no leases and downloads no links");
	const waiting = queue.status === "fulfilled" ? queue.value.waiting : null;
	return json(
		{ status: problems.length === 0 ? "ready" : "not ready", problems, outbox_waiting: waiting },
		problems.length === 0 ? 200 : 503,
	);
}

/** What waits and what has failed in the queues of all teams. */
async function healthOfQueues(environment: Environment): Promise<{ waiting: number; dead: number; deadEffects: number }> {
	// The queues may answer while the database does not.
	const teams = await listTeams(environment.DB).catch(() => [DEFAULT_TEAM]);
	const queues = await Promise.all(teams.map((team) => dispatcherOf(environment, team).health()));
	const sum = (of: (queue: QueueHealth) => number) => queues.reduce((total, queue) => total + of(queue), 0);
	return {
		waiting: sum(({ outbox }) => outbox.waiting),
		dead: sum(({ outbox }) => outbox.dead),
		deadEffects: sum((queue) => queue.deadEffects),
	};
}

function version(): Response {
	return json({ name: "windlass", version: VERSION, protocol: PROTOCOL_VERSION });
}

export const EVERYONE = ["anyone", "user", "registration", "agent", "lease", "host"] as const;

export const healthRoutes = [
	route({
		method: "GET",
		path: "/healthz",
		limit: "none",
		allow: EVERYONE,
		description: { summary: "Liveness: the process runs", answers: { 200: LIVE } },
		ignoresUnknown: true,
		handle: healthz,
	}),
	route({
		method: "GET",
		path: "/readyz",
		limit: "none",
		allow: EVERYONE,
		description: {
			summary: "Readiness: the queue and the database answer, and no problem needs a person",
			answers: { 200: READINESS, 503: READINESS },
		},
		ignoresUnknown: true,
		handle: readyz,
	}),
	route({
		method: "GET",
		path: "/version",
		allow: EVERYONE,
		description: { summary: "The versions of the program and of the agent protocol", answers: { 200: VERSIONS } },
		ignoresUnknown: true,
		handle: version,
	}),
	route({
		method: "GET",
		path: "/api/v1/version",
		allow: EVERYONE,
		description: { summary: "The versions of the program and of the agent protocol", answers: { 200: VERSIONS } },
		ignoresUnknown: true,
		handle: version,
	}),
];
