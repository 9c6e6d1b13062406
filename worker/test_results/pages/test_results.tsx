import { plainText } from "../../../schema/text/ansi.ts";
import { formatDuration } from "../../../schema/wire/duration.ts";
import type { CoverageTotals, RunSummary, RunTests } from "../../../schema/wire/resources.ts";

interface TestResultsProps {
	run: RunSummary;
	tests: RunTests;
	/** The number of failed tests to skip. */
	from: number;
}

/** The tests of a run: totals, failed tests and their history, slow tests, coverage. */
export function TestResults({ run, tests, from }: TestResultsProps) {
	const { passed, failed, skipped, flaky, duration_ms } = tests.totals;
	const hasTests = passed + failed + skipped > 0;
	if (!hasTests && tests.coverage.length === 0) return null;
	return (
		<section class="tests" id="tests">
			{hasTests && (
				<p class="row">
					<span class="state ok">{`✓ ${passed} passed`}</span>
					{failed > 0 && <span class="state bad">{`✗ ${failed} failed`}</span>}
					{skipped > 0 && <span class="soft">{`» ${skipped} skipped`}</span>}
					{flaky > 0 && <span class="badge wait">{`${flaky} flaky`}</span>}
					{duration_ms > 0 && <span class="soft">{formatDuration(duration_ms)}</span>}
				</p>
			)}
			{tests.coverage.map((one) => (
				<p key={one.job_id} class="row">
					<span>{`${percent(one)} of ${one.lines} lines covered`}</span>
					{one.before && (
						<a href={`/runs/${one.before.run_id}`} class={change(one, one.before) < 0 ? "bad" : "ok"}>
							{`${signed(change(one, one.before))} against ${one.before.branch ?? ""} #${one.before.number}`}
						</a>
					)}
					<span class="soft">{one.job}</span>
				</p>
			))}
			{tests.items.map((one, index) => (
				<details key={index} class="trace" open={index === 0}>
					<summary>
						<b>{one.suite ? `${one.suite} › ${one.name}` : one.name}</b> {one.newly_failing && <span class="badge bad">new</span>}{" "}
						{one.flaky && <span class="badge wait">flaky</span>}{" "}
						{one.duration_ms > 0 && <span class="soft">{formatDuration(one.duration_ms)}</span>}
						{one.message && <div class="soft small wraps">{plainText(one.message)}</div>}
					</summary>
					{one.output && <pre>{plainText(one.output)}</pre>}
					<p class="small">
						<a href={`/jobs/${one.job_id}`}>{one.job}</a> · <a href={historyUrl(run, one)}>history</a>
					</p>
				</details>
			))}
			{(from > 0 || tests.next_from !== null) && (
				<p class="row">
					<span class="soft">{`failed tests from number ${from + 1}`}</span>
					{from > 0 && <a href={`/runs/${run.id}?tab=tests`}>First failed tests</a>}
					{tests.next_from !== null && <a href={`/runs/${run.id}?tab=tests&failed_from=${tests.next_from}`}>More failed tests</a>}
				</p>
			)}
			{tests.flaky.length > 0 && (
				<p class="small">
					{"Both passed and failed on this commit: "}
					{tests.flaky.slice(0, 20).map((one, index) => (
						<>
							{index > 0 && ", "}
							<a href={historyUrl(run, one)}>{one.name}</a>
						</>
					))}
				</p>
			)}
			{tests.slowest.length > 0 && (
				<details>
					<summary class="soft">Slowest tests</summary>
					<ol class="slowest">
						{tests.slowest.map((one, index) => (
							<li key={index}>
								<code>{one.suite ? `${one.suite} › ${one.name}` : one.name}</code>{" "}
								<span class="soft">{formatDuration(one.duration_ms)}</span>
							</li>
						))}
					</ol>
				</details>
			)}
		</section>
	);
}

function historyUrl(run: RunSummary, test: { suite: string; name: string }): string {
	return `/tests?${new URLSearchParams({ project: run.project, pipeline: run.pipeline, suite: test.suite, name: test.name })}`;
}

function share({ covered, lines }: CoverageTotals): number {
	return lines === 0 ? 0 : (100 * covered) / lines;
}

function percent(totals: CoverageTotals): string {
	return `${share(totals).toFixed(1)} %`;
}

function change(now: CoverageTotals, before: CoverageTotals): number {
	return share(now) - share(before);
}

function signed(points: number): string {
	return `${points < 0 ? "−" : "+"}${Math.abs(points).toFixed(1)}`;
}
