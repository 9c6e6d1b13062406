import type { ComponentChildren } from "preact";
import type { ResolvedPipeline } from "../../../schema/pipeline/resolve/resolved.ts";
import { formatDuration } from "../../../schema/wire/duration.ts";
import type { Run, RunSummary, TestTotals, UsualDuration } from "../../../schema/wire/resources.ts";
import { shownState } from "../../../schema/wire/state_words.ts";
import { isTerminal } from "../../../schema/wire/states.ts";
import { Part } from "../../ui/parts.ts";
import { PostForm } from "../../ui/post_form.tsx";
import { Ago, CancelButton, Left, Mark, Meter, Took, usualText } from "../../ui/words.tsx";
import { RunJobs } from "./run_jobs.tsx";
import { authorOf, endedIn, subjectOf } from "./run_list.tsx";

/** The views of a run, in their order. */
export const RUN_TABS = ["overview", "graph", "timeline", "tests", "artifacts", "compare"] as const;
type RunTab = (typeof RUN_TABS)[number];

interface RunPageProps {
	run: Run;
	/** The usual durations in milliseconds: of the run, and of its jobs by name. */
	/** How long the run and its jobs, by their names, usually take. */
	usual: UsualDuration | null;
	usualJobs: ReadonlyMap<string, UsualDuration>;
	/** What its queued jobs wait for, by job. */
	waits: Readonly<Record<string, string>>;
	/** Whether no agent can take what the run waits for. */
	isStuck: boolean;
	/** The newest earlier run of the branch that has ended. */
	previous: RunSummary | null;
	/** Reruns of this run. */
	reruns: readonly RunSummary[];
	tests: TestTotals | null;
	artifacts: number;
	/** Whether its pipeline has notifications. */
	hasNotifications: boolean;
	/** The included files of other projects. */
	includes: ResolvedPipeline["includes"];
	tab: RunTab;
	/** The view that `tab` names. */
	children: ComponentChildren;
}

/** A run: its state, its jobs, and beside them one of its views. */
export function RunPage(props: RunPageProps) {
	const { run, usualJobs, waits, tab, children } = props;
	return (
		<section id="run">
			<RunHead {...props} />
			<div class={run.jobs.length === 0 ? "" : "two"}>
				{run.jobs.length > 0 && (
					<Part id="jobs">
						<RunJobs jobs={run.jobs} waits={waits} usual={usualJobs} />
					</Part>
				)}
				<div class="view">
					<Tabs {...props} />
					<Part id={`tab-${tab}`}>{children}</Part>
				</div>
			</div>
		</section>
	);
}

function RunHead({ run, usual, isStuck, previous, reruns, hasNotifications, includes }: RunPageProps) {
	const state = isStuck ? "stuck" : run.state;
	const { word, tone } = shownState(state);
	return (
		<Part id="run-head" as="div">
			<nav class="crumbs" aria-label="Breadcrumb">
				<a href={`/projects/${run.project}`}>{run.project}</a> ›{" "}
				{run.branch !== null && (
					<>
						<a href={`/?${new URLSearchParams({ project: run.project, branch: run.branch })}`}>{run.branch}</a> ›{" "}
					</>
				)}
				{`#${run.number}`}
			</nav>
			<div class="title">
				<h1 data-state={state}>
					<span class={tone}>
						<Mark state={state} />
					</span>{" "}
					{run.pipeline} {`#${run.number} `}
					<span class={tone}>{word}</span>{" "}
					<span class="soft">
						{run.finished_at !== null && run.started_at !== null && "after "}
						{run.started_at !== null && <Took from={run.started_at} to={run.finished_at} />}
					</span>
				</h1>
				<Actions run={run} previous={previous} hasNotifications={hasNotifications} />
			</div>
			<p class="soft">
				{run.commit && (
					<>
						<code>{run.commit.sha.slice(0, 8)}</code>{" "}
					</>
				)}
				{subjectOf(run)} {`${originOf(run)} `}
				<Ago at={run.created_at} />
				{waitedText(run)}
				{run.started_at !== null && run.finished_at === null && usual !== null && (
					<>
						{" · "}
						<span title={usualText(usual)}>
							<Left from={run.started_at} usualMs={usual.p50_ms} />
						</span>
					</>
				)}
				{run.warnings > 0 && <span class="wait">{` · ${run.warnings} allowed to fail`}</span>}
				{run.rerun_of && (
					<>
						{" · "}
						<a href={`/runs/${run.rerun_of}`}>rerun of an earlier run</a>
					</>
				)}
				{run.discovered_by && (
					<>
						{" · "}
						<a href={`/runs/${run.discovered_by}`}>its discovery run</a>
					</>
				)}
				{reruns.map((again) => (
					<>
						{" · "}
						<a key={again.id} href={`/runs/${again.id}`}>{`rerun as #${again.number}`}</a>
					</>
				))}
				{includes.map(({ project, file, sha }) => (
					<span key={`${project} ${file} ${sha}`}>
						{" · includes "}
						<code>{file}</code> of <a href={`/projects/${project}`}>{project}</a> at <code>{sha.slice(0, 8)}</code>
					</span>
				))}
			</p>
			{run.finished_at === null && <Meter from={run.started_at} to={null} usualMs={usual?.p50_ms ?? null} state={run.state} />}
			<RunReason run={run} />
		</Part>
	);
}

/** A run without jobs, or that waits, says why. */
function RunReason({ run }: { run: Run }) {
	if (!run.reason) return null;
	const isBad = shownState(run.state).tone === "bad";
	if (isBad && run.jobs.some(({ state }) => shownState(state).tone === "bad")) return null;
	return <p class={`reason${isBad ? " bad" : ""}`}>{run.reason.text}</p>;
}

const BY_EVENT: Record<string, string> = {
	push: "pushed by",
	tag: "tagged by",
	pull_request: "proposed by",
	merge_group: "merged by",
	schedule: "scheduled by",
	manual: "started by",
	api: "submitted by",
};

function originOf(run: Run): string {
	const by = BY_EVENT[run.trigger.kind] ?? `${run.trigger.kind} by`;
	const author = authorOf(run);
	const who = author !== "" && author !== run.trigger.actor ? `${author}, ${by} ${run.trigger.actor}` : `${by} ${run.trigger.actor}`;
	const request = run.pull_request === null ? "" : `pull request #${run.pull_request} `;
	return `· ${request}${who}`;
}

const NOTABLE_WAIT_MS = 2_000;

/** How long the first job waited for an agent, if it was noticeable. */
function waitedText(run: Run): string {
	const waits = run.jobs.flatMap(({ queued_at, started_at }) =>
		queued_at && started_at ? Date.parse(started_at) - Date.parse(queued_at) : [],
	);
	const longest = Math.max(0, ...waits);
	return longest < NOTABLE_WAIT_MS ? "" : ` · waited ${formatDuration(longest)} for an agent`;
}

function Actions({ run, previous, hasNotifications }: Pick<RunPageProps, "run" | "previous" | "hasNotifications">) {
	const isEnded = isTerminal(run.state);
	const hasFailed = run.jobs.some((job) => job.state !== "succeeded");
	return (
		<div class="row">
			<CancelButton action={`/runs/${run.id}/cancel`} what="run" state={run.state} />
			{isEnded && hasFailed && <Action path={`/runs/${run.id}/rerun-failed`} label="Rerun failed" />}
			{isEnded && <Action path={`/runs/${run.id}/rerun`} label="Rerun" title="All jobs, in a new run" />}
			{previous && (
				<a class="button" href={`/runs/${run.id}?tab=compare&with=${previous.id}`} title={endedIn(previous)}>
					{`Compare with #${previous.number} `}
					<Mark state={previous.state} isAlone />
				</a>
			)}
			{!isEnded && (
				<button type="button" id="notify" hidden title="A notification of your browser when the state changes">
					Notify me
				</button>
			)}
			{isEnded && (
				<details class="menu">
					<summary aria-label="More actions">⋯</summary>
					<div>
						{hasNotifications && (
							<Action
								path={`/runs/${run.id}/notify`}
								label="Test notifications"
								title="Send all notifications of this pipeline again, marked as a test"
							/>
						)}
						<Action path={`/runs/${run.id}/delete`} label="Delete run" title="Delete the run, its logs and its artifacts" isDanger />
					</div>
				</details>
			)}
		</div>
	);
}

function Action({ path, label, title, isDanger = false }: { path: string; label: string; title?: string; isDanger?: boolean }) {
	return (
		<PostForm action={path}>
			<button type="submit" class={isDanger ? "danger" : undefined} title={title}>
				{label}
			</button>
		</PostForm>
	);
}

function Tabs({ run, tab, tests, artifacts }: RunPageProps) {
	const labels: Record<RunTab, ComponentChildren> = {
		overview: "Overview",
		graph: "Graph",
		timeline: "Timeline",
		tests: tests && (
			<>
				{`Tests ${tests.passed} `}
				<span class="ok">✓</span>
				{tests.failed > 0 && (
					<>
						{` ${tests.failed} `}
						<span class="bad">✗</span>
					</>
				)}
			</>
		),
		artifacts: artifacts > 0 ? `Artifacts ${artifacts}` : null,
		compare: "Compare",
	};
	return (
		<Part id="tabs" as="nav" class="tabs" aria-label="Views of the run">
			{RUN_TABS.filter((one) => labels[one] !== null || one === tab).map((one) => (
				<a
					key={one}
					href={one === "overview" ? `/runs/${run.id}` : `/runs/${run.id}?tab=${one}`}
					aria-current={one === tab ? "page" : undefined}
				>
					{labels[one] ?? one}
				</a>
			))}
		</Part>
	);
}
