import { formatDuration } from "../../../schema/wire/duration.ts";
import type { RequestContext } from "../../http/route.ts";
import { dispatcherOf } from "../../platform/dispatcher.ts";
import type { Overview } from "../../queue/core/reads.ts";
import { isTaking } from "../../queue/core/runs/explain.ts";
import type { Queue } from "../../queue/core/runs/queue_order.ts";
import { usualDurations } from "../../record/earlier_runs.ts";
import { isoTime } from "../../record/iso_time.ts";
import { findRunRow } from "../../record/runs.ts";
import { page } from "../../ui/layout.tsx";
import { Part } from "../../ui/parts.ts";
import { Ago, counted, State } from "../../ui/words.tsx";
import { expectedStarts } from "../expected_starts.ts";
import { presentQueue } from "../service.ts";

const SHOWN = 200;
/** Of so many runs the usual durations are looked up. */
const RUNS_KNOWN = 12;

/** GET /queue: the queued jobs in their order, with the reason for every wait. */
export async function queuePage(context: RequestContext<"user">): Promise<Response> {
	const { environment, principal } = context;
	const dispatcher = dispatcherOf(environment, principal.team);
	const [queue, overview, agents] = await Promise.all([dispatcher.readQueue(SHOWN), dispatcher.readOverview(), dispatcher.readAgents()]);
	const taking = agents.filter(({ agent }) => isTaking(agent));
	const slots = taking.reduce((sum, { agent }) => sum + agent.slots, 0);
	const running = taking.flatMap((rows) => rows.running);
	const usual = await usualOf(
		context,
		[...running, ...queue.jobs.map(({ job }) => job)].map(({ run_id }) => run_id),
	);
	const now = Date.now();
	const runningMs = running.map(({ run_id, job_name, started_at }) => {
		const usualMs = usual.get(run_id)?.get(job_name);
		return usualMs === undefined ? null : Math.max(0, started_at + usualMs - now);
	});
	const capacity = { agents: taking.length, slots, runningMs };
	const starts = expectedStarts(queue.jobs, capacity, ({ job }) => usual.get(job.run_id)?.get(job.name) ?? null);
	return page(context, {
		title: "Queue",
		section: "queue",
		follows: "everything",
		overview,
		children: <QueueView queue={queue} overview={overview} slots={slots} starts={starts} />,
	});
}

/** The usual durations of jobs by name, by run. */
async function usualOf(
	{ environment, principal }: RequestContext<"user">,
	runIds: readonly string[],
): Promise<Map<string, ReadonlyMap<string, number>>> {
	const ids = [...new Set(runIds)].slice(0, RUNS_KNOWN);
	const found = await Promise.all(
		ids.map(async (id) => {
			const run = await findRunRow(environment, principal.team, id);
			return [id, run ? (await usualDurations(environment.DB, run)).jobsMs : new Map<string, number>()] as const;
		}),
	);
	return new Map(found);
}

interface QueueViewProps {
	queue: Queue;
	overview: Overview;
	slots: number;
	starts: readonly (number | null)[];
}

function QueueView({ queue, overview, slots, starts }: QueueViewProps) {
	const { total, jobs } = queue;
	const pause = presentQueue(overview.pause);
	return (
		<section>
			<div class="title">
				<h1>Queue</h1>
				<form method="post" action={pause.paused ? "/queue/resume" : "/queue/pause"}>
					<button type="submit" class={pause.paused ? "main" : undefined}>
						{pause.paused ? "Resume the queue" : "Pause the queue"}
					</button>
				</form>
			</div>
			{pause.paused && (
				<p class="reason">
					{`The queue is paused by ${pause.paused_by}${pause.reason ? `: ${pause.reason}` : ""}. Running jobs continue. Queued jobs wait.`}
				</p>
			)}
			<Part id="queue-facts" as="p" class="soft">
				{`${counted(total, "job")} wait${total === 1 ? "s" : ""}, ${overview.running} run on ${counted(slots, "slot")} of ${counted(overview.online, "agent")}.`}
			</Part>
			{jobs.length === 0 && <p class="empty">No job waits for an agent.</p>}
			{jobs.length > 0 && (
				<Part id="queue" as="ol" class="list" data-list>
					{jobs.map((one, index) => (
						<QueuedItem
							key={one.job.id}
							one={one}
							start={starts[index] ?? null}
							isFirst={index === 0}
							isLikeBefore={jobs[index - 1]?.wait?.text === one.wait?.text}
						/>
					))}
				</Part>
			)}
			{total > jobs.length && <p class="soft">{`and ${total - jobs.length} more`}</p>}
		</section>
	);
}

/** An expected start is an estimate: it is shown in steps of 10 seconds. */
const STEP_MS = 10_000;

function startText(start: number | null): string {
	if (start === null) return "";
	return start < STEP_MS ? "starts soon" : `starts in about ${formatDuration(Math.round(start / STEP_MS) * STEP_MS)}`;
}

interface ItemProps {
	one: Queue["jobs"][number];
	start: number | null;
	isFirst: boolean;
	/** Whether the job before it waits for the same. */
	isLikeBefore: boolean;
}

function QueuedItem({ one, start, isFirst, isLikeBefore }: ItemProps) {
	const { job, run, wait } = one;
	return (
		<Part id={`q-${job.id}`} as="li" class="item">
			<State state={wait?.isStuck ? "stuck" : "queued"} />
			<span class="cut">
				<a class="first" href={`/jobs/${job.id}`}>
					<b>{job.name}</b>
				</a>{" "}
				<a href={`/runs/${job.run_id}`}>{`${run.project} ${run.pipeline} #${run.number}`}</a>
				{run.priority !== 0 && <span class="soft">{` priority ${run.priority}`}</span>}
			</span>
			<span class="source soft">{startText(start)}</span>
			<span class="when right soft">{job.queued_at !== null && <Ago at={isoTime(job.queued_at)} />}</span>
			<span class="took right">
				{!isFirst && (
					<form method="post" action={`/jobs/${job.id}/front`}>
						<button type="submit" class="quiet" title="Before the other jobs of its project with the same priority">
							To front
						</button>
					</form>
				)}
			</span>
			{wait !== null && !isLikeBefore && <span class={`why small wraps ${wait.isStuck ? "wait" : "soft"}`}>{wait.text}</span>}
		</Part>
	);
}
