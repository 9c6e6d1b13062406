import type { Run } from "../../schema/wire/resources.ts";
import { isTerminal } from "../../schema/wire/states.ts";
import { JobGraph } from "./job_graph.tsx";
import { Source } from "./runs_page.tsx";
import { Ago, CancelButton, State, Took } from "./words.tsx";

/** One run: its state, the graph of its jobs, and each job. */
export function RunPage({ run }: { run: Run }) {
	return (
		<section id="run" data-refresh>
			<div class="title">
				<h1>
					{run.pipeline} <span class="muted">{`${run.project} #${run.number}`}</span>
				</h1>
				<CancelButton action={`/runs/${run.id}/cancel`} what="run" state={run.state} />
				{isTerminal(run.state) && (
					<form method="post" action={`/runs/${run.id}/delete`}>
						<button type="submit" class="quiet" title="The run goes with its logs and artifacts">
							Delete run
						</button>
					</form>
				)}
			</div>
			<p class="facts">
				<State state={run.state} />
				<span>
					<Took from={run.started_at} to={run.finished_at} />
				</span>
				<span>
					submitted <Ago at={run.created_at} /> by {run.trigger.actor}
				</span>
				<Source run={run} />
			</p>
			{run.reason && <p class="reason">{run.reason.text}</p>}
			<JobGraph jobs={run.jobs} />
			<table>
				<thead>
					<tr>
						<th>Job</th>
						<th>State</th>
						<th>Agent</th>
						<th>Took</th>
					</tr>
				</thead>
				<tbody>
					{run.jobs.map((job) => (
						<tr key={job.id}>
							<td>
								<a href={`/jobs/${job.id}`}>
									<strong>{job.name}</strong>
								</a>
								{job.needs.length > 0 && <div class="muted small">needs {job.needs.join(", ")}</div>}
							</td>
							<td>
								<State state={job.state} />
								{job.reason && <div class="muted small">{job.reason.text}</div>}
							</td>
							<td>
								{job.attempts.at(-1)?.agent.name ?? "–"}
								{job.attempt > 1 && <span class="muted"> attempt {job.attempt}</span>}
							</td>
							<td>
								<Took from={job.started_at} to={job.finished_at} />
							</td>
						</tr>
					))}
				</tbody>
			</table>
		</section>
	);
}
