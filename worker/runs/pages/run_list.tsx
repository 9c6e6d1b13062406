import { formatDuration } from "../../../schema/wire/duration.ts";
import type { RunSummary } from "../../../schema/wire/resources.ts";
import { isFailure } from "../../../schema/wire/state_words.ts";
import type { RunWait } from "../../queue/core/runs/explain.ts";
import { Part } from "../../ui/parts.ts";
import { Ago, State, Took } from "../../ui/words.tsx";

interface RunListProps {
	runs: readonly RunSummary[];
	/** What the runs wait for, by id. */
	waits: Readonly<Record<string, RunWait>>;
	/** Whether the runs are of several projects. */
	hasProjects?: boolean;
}

/** Runs, one an item: state, name, source, age and duration; below it why a run waits or failed. */
export function RunList({ runs, waits, hasProjects = true }: RunListProps) {
	return (
		<ul class="list" data-list>
			{runs.map((run) => (
				<RunItem key={run.id} run={run} wait={waits[run.id]} hasProjects={hasProjects} />
			))}
		</ul>
	);
}

function RunItem({ run, wait, hasProjects }: { run: RunSummary; wait: RunWait | undefined; hasProjects: boolean }) {
	const why = wait?.text ?? (run.state === "succeeded" ? undefined : run.reason?.text);
	return (
		<Part id={`r-${run.id}`} as="li" class="item">
			<State state={wait?.isStuck ? "stuck" : run.state} />
			<span class="cut">
				<a class="first" href={`/runs/${run.id}`}>
					<b>{run.pipeline}</b> {hasProjects ? `${run.project} #${run.number}` : `#${run.number}`}
				</a>{" "}
				<span class="soft">{subjectOf(run)}</span>
			</span>
			<span class="source cut soft">
				<Source run={run} />
			</span>
			<span class="when right soft">
				<Ago at={run.created_at} />
			</span>
			<span class="took right">
				<Took from={run.started_at} to={run.finished_at} />
			</span>
			{why !== undefined && <span class={`why small wraps ${wait?.isStuck ? "wait" : isFailure(run.state) ? "bad" : "soft"}`}>{why}</span>}
		</Part>
	);
}

/** The first line of the commit message, or how the run was submitted. */
export function subjectOf(run: Pick<RunSummary, "commit" | "source">): string {
	const [subject = ""] = run.commit?.message.split("\n") ?? [];
	if (subject !== "") return subject;
	return run.source !== null && "upload" in run.source ? "an uploaded working copy" : "";
}

/** The source of a run: branch, tag or pull request, commit, and author. */
function Source({ run }: { run: RunSummary }) {
	const author = authorOf(run);
	return (
		<>
			{run.pull_request !== null && `PR #${run.pull_request} `}
			{run.branch !== null && (
				<a href={`/?${new URLSearchParams({ project: run.project, branch: run.branch })}`} title={run.branch}>
					{run.branch}
				</a>
			)}
			{run.branch === null && run.tag !== null && `tag ${run.tag}`} {run.commit && <code>{run.commit.sha.slice(0, 8)}</code>} {author}
		</>
	);
}

/** Who wrote the commit, or submitted the run; without an address. */
export function authorOf(run: Pick<RunSummary, "commit" | "trigger">): string {
	return (run.commit?.author || run.trigger.actor).replace(/\s*<[^>]*>$/, "");
}

/** `succeeded in 2m 5s`, for a link to an ended run. */
export function endedIn(run: RunSummary): string {
	if (run.started_at === null || run.finished_at === null) return "";
	return formatDuration(Date.parse(run.finished_at) - Date.parse(run.started_at));
}
