import { valuesOf } from "../../http/parameters.ts";
import type { RequestContext } from "../../http/route.ts";
import { dispatcherOf } from "../../platform/dispatcher.ts";
import { stripsOf } from "../../projects/service.ts";
import { presentRunSummary } from "../../record/present.ts";
import { listProjects } from "../../record/projects.ts";
import { countRuns, listRuns } from "../../record/run_lists.ts";
import { presentQueue } from "../../system/service.ts";
import { page } from "../../ui/layout.tsx";
import { waitsOf } from "../waits.ts";
import { countedSince, hasFilters, LIST, statesOf, withoutEmpty } from "./run_filters.tsx";
import { RunsPage } from "./runs_page.tsx";

/** How many projects the front page shows. */
const STRIPS = 24;

/** GET /: the state of each default branch, and the runs. */
export async function runsPage(context: RequestContext<"user">): Promise<Response> {
	const { url, environment, principal, baseUrl } = context;
	const { team, name: user } = principal;
	const query = valuesOf(LIST, withoutEmpty(url.searchParams));
	const { per: limit, cursor: after, state: _, ...filter } = query;
	const isFirstPage = after === null && !hasFilters(query);
	const [{ rows, next, waits }, counts, { projects, strips }, overview] = await Promise.all([
		listRuns(environment.DB, team, { ...filter, limit, after, states: statesOf(query) }).then(async (list) => ({
			...list,
			waits: await waitsOf(environment, team, list.rows),
		})),
		countRuns(environment.DB, team, countedSince(Date.now())),
		listProjects(environment.DB, team).then(async (all) => ({
			projects: all,
			strips: isFirstPage ? await stripsOf(environment, team, all.slice(0, STRIPS)) : [],
		})),
		dispatcherOf(environment, team).readOverview(),
	]);
	return page(context, {
		title: "Runs",
		section: "runs",
		follows: "everything",
		overview,
		children: (
			<RunsPage
				strips={strips}
				projects={projects.map(({ name }) => name)}
				runs={rows.map((run) => presentRunSummary(run, baseUrl))}
				next={next}
				waits={waits}
				counts={counts}
				query={query}
				queue={presentQueue(overview.pause)}
				user={user}
			/>
		),
	});
}
