import { presentAgent } from "../agents/service.ts";
import type { Environment } from "../bindings.ts";
import { SSE_HEADERS, streamed } from "../http/answers.ts";
import { type RequestContext, route } from "../http/route.ts";
import { isStillValid } from "../identity/still_valid.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { sleep } from "../platform/sleep.ts";
import type { Changes } from "../queue/core/reads.ts";
import { presentJobSummary, presentRunSummary } from "../record/present.ts";
import { recordedChanges } from "../record/runs.ts";

const HOLD_MS = 15_000;
/** The rows of a kind that one batch takes from the record. */
const RECORDED_ROWS = 1_000;
/** Changes are sent at most this often, so that a burst becomes one batch. */
const PACE_MS = 100;

/**
 * GET /events: changes as server-sent events `run`, `job` and `agent`. The data is the resource,
 * the id is its revision.
 * With Last-Event-ID the stream resumes there. Only the newest state of each resource is sent.
 */
function follow(context: RequestContext<"user" | "host">): Response {
	const { request, environment, principal, baseUrl } = context;
	const lastId = request.headers.get("Last-Event-ID");
	const since = lastId !== null && /^\d{1,15}$/.test(lastId) ? Number(lastId) : null;
	return streamed(SSE_HEADERS, (write) =>
		writeChanges(environment, principal.team, baseUrl, since, { write, isStillAllowed: () => isStillValid(context) }),
	);
}

async function writeChanges(
	environment: Environment,
	team: string,
	baseUrl: string,
	lastId: number | null,
	{ write, isStillAllowed }: { write(text: string): Promise<void>; isStillAllowed(): Promise<boolean> },
): Promise<void> {
	const dispatcher = dispatcherOf(environment, team);
	const { rev: newest } = await dispatcher.followChanges(null, 0);
	let since = lastId ?? newest;
	if (since > newest) {
		since = newest;
		await write(resetTo(since));
	} else await write(`: following from ${since}\n\n`);
	for (;;) {
		const changes = await dispatcher.followChanges(since, HOLD_MS);
		// After a sign-out or a revoked token the stream ends.
		if (!(await isStillAllowed())) return;
		if (changes.isTooFarBehind) {
			since = changes.rev;
			await write(resetTo(since));
			continue;
		}
		const departed = changes.hasDeparted
			? await recordedChanges(environment.DB, team, since, changes.rev, RECORDED_ROWS)
			: { runs: [], jobs: [] };
		const events = eventsOf(changes, departed, baseUrl);
		await write(events.length > 0 ? events.join("") : ": still here\n\n");
		since = changes.rev;
		await sleep(PACE_MS);
	}
}

/** The client reads everything again. */
function resetTo(rev: number): string {
	return `event: reset\nid: ${rev}\ndata: {}\n\n`;
}

type Recorded = Awaited<ReturnType<typeof recordedChanges>>;

/** The changes in the order of their revisions; a live row replaces its recorded row. */
function eventsOf(changes: Changes, departed: Recorded, baseUrl: string): string[] {
	const live = new Set([...changes.runs.map(({ id }) => id), ...changes.jobs.map(({ job }) => job.id)]);
	const runs = [...changes.runs, ...departed.runs.filter(({ id }) => !live.has(id))];
	const jobs = [...changes.jobs.map(({ job }) => job), ...departed.jobs.filter(({ id }) => !live.has(id))];
	return [
		...runs.map((run) => ({ rev: run.rev, kind: "run", data: presentRunSummary(run, baseUrl) as object })),
		...jobs.map((job) => ({ rev: job.rev, kind: "job", data: presentJobSummary(job) as object })),
		...changes.agents.map((rows) => ({ rev: rows.agent.rev, kind: "agent", data: presentAgent(rows) as object })),
	]
		.sort((a, b) => a.rev - b.rev)
		.map(({ rev, kind, data }) => `event: ${kind}\nid: ${rev}\ndata: ${JSON.stringify(data)}\n\n`);
}

export const eventRoutes = [
	route({
		method: "GET",
		path: "/api/v1/events",
		waits: true,
		allow: ["user", "host"],
		action: "read",
		description: {
			summary: "Changes, as server-sent events run, job and agent",
			headers: { "Last-Event-ID": "the revision after which the stream resumes" },
			answers: { 200: "text/event-stream" },
		},
		handle: follow,
	}),
];
