import type { QueueState, RunSummary } from "../../../schema/wire/resources.ts";
import type { RunState } from "../../../schema/wire/states.ts";
import { ProjectStrips } from "../../projects/pages/project_strips.tsx";
import type { ProjectStrip } from "../../projects/service.ts";
import type { RunWait } from "../../queue/core/runs/explain.ts";
import { hasFilters, type ListQuery, Pages, RunFilters } from "./run_filters.tsx";
import { RunList } from "./run_list.tsx";

interface RunsPageProps {
	/** Empty on later pages and in filtered lists. */
	strips: readonly ProjectStrip[];
	projects: readonly string[];
	runs: readonly RunSummary[];
	next: string | null;
	waits: Readonly<Record<string, RunWait>>;
	counts: Readonly<Record<RunState, number>>;
	query: ListQuery;
	queue: QueueState;
	user: string;
}

/** The front page: the state of each default branch, and below it the runs. */
export function RunsPage({ strips, projects, runs, next, waits, counts, query, queue, user }: RunsPageProps) {
	return (
		<>
			<h1 class="hidden">Runs</h1>
			{queue.paused && (
				<p class="reason">
					{`The queue is paused by ${queue.paused_by}${queue.reason ? `: ${queue.reason}` : ""}. Running jobs continue. Queued jobs wait. `}
					<a href="/queue">Resume it</a>
				</p>
			)}
			{strips.length > 0 && <ProjectStrips strips={strips} total={projects.length} />}
			<h2>Runs</h2>
			<RunFilters path="/" query={query} projects={projects} counts={counts} user={user} />
			{runs.length === 0 ? <NoRuns query={query} next={next} /> : <RunList runs={runs} waits={waits} />}
			<Pages path="/" query={query} next={next} />
		</>
	);
}

function NoRuns({ query, next }: { query: ListQuery; next: string | null }) {
	const isFiltered = query.cursor !== null || hasFilters(query);
	if (isFiltered) {
		return (
			<p class="empty">
				{next === null ? "No run matches these filters." : "No run matches these filters so far. Older runs may."}{" "}
				<a href="/">Show all runs</a>
			</p>
		);
	}
	return (
		<div class="empty">
			<p>
				No runs yet. <a href="/new">Start a run here</a>, or in a terminal:
			</p>
			<pre>windlass run --no-source -- echo hello</pre>
		</div>
	);
}
