import type { FailedTest, Failure } from "../../../schema/wire/failures.ts";
import { State } from "../../ui/words.tsx";

/** Why a run failed: the cause, the failed tests, the lines of the log that matter, what has changed. */
export function FailureView({ failure }: { failure: Failure }) {
	const { cause, job, tests, log, others, since, before, run } = failure;
	return (
		<section aria-label="Failure">
			<p class="reason bad">
				{job === null ? cause : <CauseWithLink cause={cause} job={job} />}
				{before !== null && ` ${before}`}
			</p>
			{tests?.items.map((test, index) => (
				<Trace key={index} test={test} run={run} isOpen={index === 0} />
			))}
			{tests && tests.failed > tests.items.length && (
				<p class="soft">
					<a href={`/runs/${run.id}?tab=tests`}>{`and ${tests.failed - tests.items.length} more failed tests`}</a>
				</p>
			)}
			{job !== null && log.length > 0 && <LogExcerpt failure={failure} jobId={job.id} />}
			{since !== null && <Since since={since} runId={run.id} />}
			{others.length > 0 && (
				<>
					<h2>Also failed</h2>
					<ul class="plain">
						{others.map((one) => (
							<li key={one.id}>
								<State state={one.state} word={one.name} /> <a href={`/jobs/${one.id}`}>open</a> <span class="soft">{one.reason}</span>
							</li>
						))}
					</ul>
				</>
			)}
		</section>
	);
}

function CauseWithLink({ cause, job }: { cause: string; job: NonNullable<Failure["job"]> }) {
	return (
		<>
			<a href={`/jobs/${job.id}`}>
				<b>{job.name}</b>
			</a>
			{cause.startsWith(job.name) ? cause.slice(job.name.length) : `: ${cause}`}
		</>
	);
}

function Trace({ test, run, isOpen }: { test: FailedTest; run: Failure["run"]; isOpen: boolean }) {
	const history = new URLSearchParams({ project: run.project, pipeline: run.pipeline, suite: test.suite, name: test.name });
	return (
		<details class="trace" open={isOpen}>
			<summary>
				<b>{test.suite ? `${test.suite} › ${test.name}` : test.name}</b> {test.newly_failing && <span class="badge bad">new</span>}{" "}
				{test.flaky && <span class="badge wait">flaky</span>}
			</summary>
			{(test.message || test.output) && <pre>{[test.message, test.output].filter(Boolean).join("\n")}</pre>}
			<a href={`/tests?${history}`}>History of this test</a>
		</details>
	);
}

/** The lines with links to their places in the whole log. */
function LogExcerpt({ failure: { log, step }, jobId }: { failure: Failure; jobId: string }) {
	return (
		<>
			<div class="row">
				<h2 class="grow">
					Log of <code>{step?.name ?? "the job"}</code>
				</h2>
				<a href={`/jobs/${jobId}#L${log[0]?.line}`}>Whole log</a>
			</div>
			<ol class="log excerpt">
				{log.map(({ line, text }, index) => {
					const before = log[index - 1];
					return (
						<li key={line} class={before && before.line + 1 < line ? "gap" : undefined}>
							<a href={`/jobs/${jobId}#L${line}`}>{line}</a>
							<span>{text}</span>
						</li>
					);
				})}
			</ol>
		</>
	);
}

function Since({ since, runId }: { since: NonNullable<Failure["since"]>; runId: string }) {
	const { run, commits, changes } = since;
	return (
		<>
			<h2>
				Changed since <a href={`/runs/${run.id}`}>{`#${run.number}`}</a>, the last success
			</h2>
			<ul class="plain">
				{commits.map(({ sha, subject, author }) => (
					<li key={sha}>
						<code>{sha.slice(0, 8)}</code> {subject} <span class="soft">{author}</span>
					</li>
				))}
				{changes.map((change) => (
					<li key={change}>{change}</li>
				))}
				{commits.length + changes.length === 0 && <li class="soft">Nothing that Windlass knows of: a rerun may succeed.</li>}
			</ul>
			<p>
				<a href={`/runs/${runId}?tab=compare&with=${run.id}`}>Compare the runs</a>
			</p>
		</>
	);
}
