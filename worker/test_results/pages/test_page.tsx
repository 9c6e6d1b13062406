import { formatDuration } from "../../../schema/wire/duration.ts";
import type { TestHistory } from "../../../schema/wire/resources.ts";
import { Ago } from "../../ui/words.tsx";

interface TestPageProps {
	test: { project: string; pipeline: string; suite: string; name: string };
	history: TestHistory;
}

/** The history of a test. */
export function TestPage({ test, history }: TestPageProps) {
	const failed = history.items.filter(({ state }) => state === "failed").length;
	return (
		<section>
			<h1>{test.name}</h1>
			<p class="facts">
				<span>{test.suite}</span>
				<span class="muted">{`${test.project}, ${test.pipeline}`}</span>
				<span>{`${failed} of the last ${history.items.length} failed`}</span>
			</p>
			<table>
				<thead>
					<tr>
						<th>Result</th>
						<th>Run</th>
						<th>Job</th>
						<th>Branch</th>
						<th>Commit</th>
						<th>Took</th>
						<th>When</th>
					</tr>
				</thead>
				<tbody>
					{history.items.map((one) => (
						<tr key={one.job_id}>
							<td>
								<span class={`state ${one.state === "passed" ? "succeeded" : one.state}`}>{one.state}</span>{" "}
								{one.flaky && <span class="badge odd">flaky</span>}
							</td>
							<td>
								<a href={`/runs/${one.run_id}`}>{`#${one.number}`}</a>
							</td>
							<td>
								<a href={`/jobs/${one.job_id}`}>{one.job}</a>
							</td>
							<td>{one.branch ?? "–"}</td>
							<td>{one.commit_sha ? <code>{one.commit_sha.slice(0, 8)}</code> : "–"}</td>
							<td>{formatDuration(one.duration_ms)}</td>
							<td>
								<Ago at={one.at} />
							</td>
						</tr>
					))}
				</tbody>
			</table>
		</section>
	);
}
