import { formatDuration } from "../../../schema/wire/duration.ts";
import type { TestHistory } from "../../../schema/wire/resources.ts";
import { Bars } from "../../ui/bars.tsx";
import { Ago, State } from "../../ui/words.tsx";

const BARS = 50;

interface TestPageProps {
	test: { project: string; pipeline: string; suite: string; name: string };
	history: TestHistory;
}

/** The history of a test. */
export function TestPage({ test, history }: TestPageProps) {
	const failed = history.items.filter(({ state }) => state === "failed").length;
	return (
		<section>
			<p class="crumbs">
				<a href={`/tests?${new URLSearchParams({ project: test.project })}`}>{test.project}</a> › {test.pipeline}
				{test.suite !== "" && ` › ${test.suite}`}
			</p>
			<h1>{test.name}</h1>
			<p class="soft">{`${failed} of the last ${history.items.length} failed.`}</p>
			<Bars
				bars={history.items
					.slice(0, BARS)
					.toReversed()
					.map(({ state, duration_ms }) => ({ state: state === "passed" ? "succeeded" : state, ms: duration_ms }))}
			/>
			<div class="scroll">
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
									<State state={one.state} /> {one.flaky && <span class="badge wait">flaky</span>}
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
			</div>
		</section>
	);
}
