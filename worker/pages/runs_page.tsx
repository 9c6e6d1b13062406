import type { Page, RunSummary } from "../../schema/wire/resources.ts";
import { Ago, State, Took } from "./words.tsx";

/** The front page: all runs, newest first. */
export function RunsPage({ runs }: { runs: Page<RunSummary> }) {
	return (
		<section id="runs" data-refresh>
			<h1>Runs</h1>
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
			<p>No runs yet. Submit one:</p>
			<pre>{`curl -H "Authorization: Bearer $TOKEN" -d '{"run": "echo hello"}' "$SERVER/api/v1/runs?follow=1"`}</pre>
		</div>
	);
}

function RunTable({ runs }: { runs: RunSummary[] }) {
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
							{run.reason && <div class="muted small">{run.reason.text}</div>}
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

/** What a run was made from: branch or tag, commit and its first line. */
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
					<code>{run.commit.sha.slice(0, 8)}</code> <span class="muted">{subject.slice(0, 60)}</span>
				</>
			)}
		</span>
	);
}
