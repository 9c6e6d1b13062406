import type { Page, QueueState, RunSummary } from "../../../schema/wire/resources.ts";
import { Ago, State, Took } from "../../ui/words.tsx";

/** The front page: all runs, newest first, and whether the queue is paused. */
export function RunsPage({ runs, queue }: { runs: Page<RunSummary>; queue: QueueState }) {
	return (
		<section id="runs" data-refresh>
			<div class="title">
				<h1>Runs</h1>
				<form method="post" action={queue.paused ? "/queue/resume" : "/queue/pause"}>
					<button type="submit" class={queue.paused ? "" : "quiet"}>
						{queue.paused ? "Resume the queue" : "Pause the queue"}
					</button>
				</form>
			</div>
			{queue.paused && (
				<p class="reason">
					{`The queue is paused by ${queue.paused_by}${queue.reason ? `: ${queue.reason}` : ""}. Running jobs continue. Queued jobs wait.`}
				</p>
			)}
			{runs.items.length === 0 ? <FirstRun /> : <RunTable runs={runs.items} />}
			{runs.next_cursor !== null && (
				<p>
					<a href={`/?cursor=${runs.next_cursor}`}>Older runs →</a>
				</p>
			)}
		</section>
	);
}

function FirstRun() {
	return (
		<div class="empty">
			<p>
				No runs yet. <a href="/new">Start a run here</a>, or in a terminal:
			</p>
			<pre>windlass run --no-source -- echo hello</pre>
		</div>
	);
}

/** Runs as a table. */
export function RunTable({ runs }: { runs: RunSummary[] }) {
	return (
		<table>
			<thead>
				<tr>
					<th>Run</th>
					<th>State</th>
					<th>Source</th>
					<th>Started</th>
					<th>Took</th>
				</tr>
			</thead>
			<tbody>
				{runs.map((run) => (
					<tr key={run.id}>
						<td>
							<a href={`/runs/${run.id}`}>
								<strong>{run.pipeline}</strong> <span class="muted">{`${run.project} #${run.number}`}</span>
							</a>
						</td>
						<td>
							<State state={run.state} />
							{run.reason && <div class="muted small lines">{run.reason.text}</div>}
						</td>
						<td>
							<Source run={run} />
						</td>
						<td>
							<Ago at={run.created_at} />
						</td>
						<td>
							<Took from={run.started_at} to={run.finished_at} />
						</td>
					</tr>
				))}
			</tbody>
		</table>
	);
}

/** The source of a run: branch or tag, commit, and the first line of its message. */
export function Source({ run }: { run: RunSummary }) {
	if (!run.source) return <span class="muted">–</span>;
	if ("upload" in run.source) return <span title={run.source.upload}>an uploaded source</span>;
	const [subject = ""] = run.commit?.message.split("\n") ?? [];
	return (
		<span title={run.source.git}>
			{run.branch ?? run.tag ?? run.source.ref ?? "default branch"}
			{run.commit && (
				<>
					{" "}
					<code>{run.commit.sha.slice(0, 8)}</code>{" "}
					<span class="muted">{subject.length > 60 ? `${subject.slice(0, 59).trimEnd()}…` : subject}</span>
				</>
			)}
		</span>
	);
}
