import type { ComponentChildren } from "preact";
import type { Job, RunSummary, UsualDuration } from "../../../schema/wire/resources.ts";
import { shownState } from "../../../schema/wire/state_words.ts";
import { isTerminal } from "../../../schema/wire/states.ts";
import { awaitsApproval, JobApproval } from "../../approvals/pages/approval.tsx";
import { CacheUses } from "../../caches/pages/cache_uses.tsx";
import { Part } from "../../ui/parts.ts";
import { PostForm } from "../../ui/post_form.tsx";
import { CancelButton, Mark, Meter, Took, usualText } from "../../ui/words.tsx";
import { Annotations } from "./annotations.tsx";

/** The views of a job, in their order. */
export const JOB_TABS = ["log", "tests", "waits", "attempts", "resources", "artifacts", "summary", "details"] as const;
export type JobTab = (typeof JOB_TABS)[number];

const LABELS: Record<JobTab, string> = {
	log: "Log",
	tests: "Tests",
	waits: "Why it waits",
	attempts: "Attempts",
	resources: "Resources",
	artifacts: "Artifacts",
	summary: "Summary",
	details: "Details",
};

interface JobPageProps {
	job: Job;
	run: RunSummary;
	/** Why it is in its state; of a job that is being cancelled, also what still runs. */
	reason: string | null;
	/** How long the job usually takes. */
	usual: UsualDuration | null;
	/** The views that have something to show. */
	tabs: readonly JobTab[];
	tab: JobTab;
	/** The attempt that is shown. */
	attempt: number;
	/** The view that `tab` names. */
	children: ComponentChildren;
}

/** A job: its state and its attempts, and one of its views, first of all its log. */
export function JobPage(props: JobPageProps) {
	const { job, tab, tabs, attempt, children } = props;
	const address = (one: JobTab) => {
		const query = new URLSearchParams({
			...(one === "log" ? {} : { tab: one }),
			...(attempt === job.attempt ? {} : { attempt: String(attempt) }),
		});
		return `/jobs/${job.id}${query.size === 0 ? "" : `?${query}`}`;
	};
	return (
		<section id="job">
			<JobHead {...props} />
			<Part id="job-tabs" as="nav" class="tabs" aria-label="Views of the job">
				{tabs.map((one) => (
					<a key={one} href={address(one)} aria-current={one === tab ? "page" : undefined}>
						{one === "waits" && job.started_at !== null ? "Why it waited" : LABELS[one]}
					</a>
				))}
			</Part>
			{tab === "log" && <Annotations jobs={[job]} />}
			{tab === "log" && <CacheUses uses={job.attempts.find(({ number }) => number === attempt)?.caches ?? []} />}
			{children}
		</section>
	);
}

function JobHead({ job, run, reason, usual, attempt }: JobPageProps) {
	const state = awaitsApproval(job) ? "waiting" : job.state;
	const { word, tone } = shownState(state);
	const [newest] = job.attempts.slice(-1);
	return (
		<Part id="job-head">
			<nav class="crumbs" aria-label="Breadcrumb">
				<a href={`/projects/${run.project}`}>{run.project}</a> › <a href={`/runs/${run.id}`}>{`${run.pipeline} #${run.number}`}</a> ›{" "}
				{job.name}
			</nav>
			<div class="title">
				<h1>
					<span class={tone}>
						<Mark state={state} />
					</span>{" "}
					{job.name} <span class={`state ${tone} ${job.state}`}>{word}</span>{" "}
					<span class="soft">
						{job.started_at !== null && <Took from={job.started_at} to={job.finished_at} />}
						{newest && ` on ${newest.agent.name}`}
					</span>
				</h1>
				<CancelButton action={`/jobs/${job.id}/cancel`} what="job" state={job.state} />
				<JobApproval job={job} />
				{isTerminal(job.state) && (
					<PostForm action={`/jobs/${job.id}/rerun`}>
						<button type="submit" title="This job, and those that need it, in a new run">
							Rerun job
						</button>
					</PostForm>
				)}
			</div>
			<p class="soft facts">
				{[
					job.exit_code !== null && job.exit_code !== 0 && `exit code ${job.exit_code}`,
					job.allow_failure && "may fail",
					usual !== null && usualText(usual),
					...job.approvals.map(({ by, comment }) => `approved by ${by}${comment === null ? "" : `: ${comment}`}`),
					job.approvals.length === 0 && job.approved_by !== null && `approved by ${job.approved_by}`,
					...Object.entries(job.matrix ?? {}).map(([axis, value]) => `${axis} ${value}`),
				]
					.filter(Boolean)
					.join(" · ")}
			</p>
			{job.finished_at === null && <Meter from={job.started_at} to={null} usualMs={usual?.p50_ms ?? null} state={job.state} />}
			{reason && <p class={`reason${tone === "bad" ? " bad" : ""}`}>{reason}</p>}
			{job.attempts.length > 1 && <AttemptChips job={job} attempt={attempt} />}
		</Part>
	);
}

function AttemptChips({ job, attempt }: { job: Job; attempt: number }) {
	return (
		<nav class="chips" aria-label="Attempts">
			{job.attempts.map((one) => (
				<a
					key={one.id}
					class="chip"
					href={`/jobs/${job.id}?attempt=${one.number}`}
					aria-current={one.number === attempt ? "true" : undefined}
				>
					{`Attempt ${one.number} `}
					<Mark state={one.state} isAlone />
				</a>
			))}
		</nav>
	);
}
