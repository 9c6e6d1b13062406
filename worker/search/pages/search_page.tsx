import { text, valuesOf } from "../../http/parameters.ts";
import type { RequestContext } from "../../http/route.ts";
import { presentRunSummary } from "../../record/present.ts";
import { RunList } from "../../runs/pages/run_list.tsx";
import { historyAddress } from "../../test_results/pages/tests_view.tsx";
import { page } from "../../ui/layout.tsx";
import { counted } from "../../ui/words.tsx";
import { type Found, search } from "../search.ts";

const QUERY = { q: text("the text to search for") };
const MOST_CHARACTERS = 200;

/** GET /search?q=: everything with this text. */
export async function searchPage(context: RequestContext<"user">): Promise<Response> {
	const { environment, principal, url, baseUrl } = context;
	const query = (valuesOf(QUERY, url.searchParams).q ?? "").trim().slice(0, MOST_CHARACTERS);
	const found = query === "" ? null : await search(environment, principal.team, query);
	return page(context, {
		title: query === "" ? "Search" : `Search: ${query}`,
		children: (
			<section>
				<h1>Search</h1>
				{found === null ? (
					<p class="soft">Search for a run (web#40), a commit, a branch, a project, a test, or an error in a log.</p>
				) : (
					<FoundView found={found} query={query} baseUrl={baseUrl} />
				)}
			</section>
		),
	});
}

function FoundView({ found, query, baseUrl }: { found: Found; query: string; baseUrl: string }) {
	const { projects, runs, hasMoreRuns, tests, logs, toIndex } = found;
	const isEmpty = projects.length + runs.length + tests.length + logs.length === 0;
	return (
		<>
			{isEmpty && <p class="empty">{`Nothing has “${query}”.`}</p>}
			{projects.length > 0 && (
				<>
					<h2>Projects</h2>
					<ul class="list" data-list>
						{projects.map((name) => (
							<li key={name}>
								<a class="first" href={`/projects/${name}`}>
									{name}
								</a>
							</li>
						))}
					</ul>
				</>
			)}
			{runs.length > 0 && (
				<>
					<h2>Runs</h2>
					<RunList runs={runs.map((run) => presentRunSummary(run, baseUrl))} waits={{}} />
				</>
			)}
			{logs.length > 0 && (
				<>
					<h2>Failed logs</h2>
					<ul class="list" data-list>
						{logs.map(({ job_id, job, run, line }) => (
							<li key={job_id}>
								<a class="first" href={`/jobs/${job_id}`}>
									<b>{job}</b> {`${run.project} ${run.pipeline} #${run.number}`}
								</a>
								<div class="cut">
									<code>{line.trim()}</code>
								</div>
							</li>
						))}
					</ul>
				</>
			)}
			{tests.length > 0 && (
				<>
					<h2>Tests</h2>
					<ul class="list" data-list>
						{tests.map((test) => (
							<li key={JSON.stringify(test)}>
								<a class="first" href={historyAddress(test)}>
									{test.suite ? `${test.suite} › ${test.name}` : test.name}
								</a>{" "}
								<span class="soft">{test.project}</span>
							</li>
						))}
					</ul>
				</>
			)}
			{hasMoreRuns && (
				<p class="soft">
					Older runs are not shown.{" "}
					<a href={`/?${new URLSearchParams({ text: query.replace(/^.*(?=#\d)/, "") })}`}>Look through all runs</a>
				</p>
			)}
			{toIndex > 0 && <p class="soft">{`${counted(toIndex, "failed log")} are not searched yet. Search again for more.`}</p>}
		</>
	);
}
