import { queueForecast, startText } from "../../estimates/service.ts";
import type { RequestContext } from "../../http/route.ts";
import { dispatcherOf } from "../../platform/dispatcher.ts";
import type { Overview } from "../../queue/core/reads.ts";
import type { Queue } from "../../queue/core/runs/queue_order.ts";
import { isoTime } from "../../record/iso_time.ts";
import { page } from "../../ui/layout.tsx";
import { Part } from "../../ui/parts.ts";
import { PostForm } from "../../ui/post_form.tsx";
import { Ago, counted, State } from "../../ui/words.tsx";
import { presentQueue } from "../service.ts";

const SHOWN = 200;

/** GET /queue: the queued jobs in their order, with the reason for every wait. */
export async function queuePage(context: RequestContext<"user">): Promise<Response> {
	const { environment, principal } = context;
	const [{ queue, slots, starts }, overview] = await Promise.all([
		queueForecast(environment, principal.team, SHOWN),
		dispatcherOf(environment, principal.team).readOverview(),
	]);
	return page(context, {
		title: "Queue",
		section: "queue",
		follows: "everything",
		overview,
		children: <QueueView queue={queue} overview={overview} slots={slots} starts={starts} />,
	});
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
				<PostForm action={pause.paused ? "/queue/resume" : "/queue/pause"}>
					<button type="submit" class={pause.paused ? "main" : undefined}>
						{pause.paused ? "Resume the queue" : "Pause the queue"}
					</button>
				</PostForm>
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
			<span class="source soft">{start !== null && startText(start)}</span>
			<span class="when right soft">{job.queued_at !== null && <Ago at={isoTime(job.queued_at)} />}</span>
			<span class="took right">
				{!isFirst && (
					<PostForm action={`/jobs/${job.id}/front`}>
						<button type="submit" class="quiet" title="Before the other jobs of its project with the same priority">
							To front
						</button>
					</PostForm>
				)}
			</span>
			{wait !== null && !isLikeBefore && <span class={`why small wraps ${wait.isStuck ? "wait" : "soft"}`}>{wait.text}</span>}
		</Part>
	);
}
