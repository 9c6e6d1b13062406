import { text, valuesOf } from "../../http/parameters.ts";
import type { RequestContext } from "../../http/route.ts";
import { listProjects } from "../../record/projects.ts";
import { page } from "../../ui/layout.tsx";
import { projectTests } from "../project_tests.ts";
import { historyOf } from "../store.ts";
import { TestPage } from "./test_page.tsx";
import { TestsView } from "./tests_view.tsx";

const HISTORY_SHOWN = 100;

const WHICH = {
	project: text("the project"),
	pipeline: text("the pipeline of one test"),
	suite: text("its suite"),
	name: text("its name"),
};

/** GET /tests: the tests that deserve a look; with a name, the history of that test. */
export function testsPage(context: RequestContext<"user">): Promise<Response> {
	const { project, pipeline, suite, name } = valuesOf(WHICH, context.url.searchParams);
	if (name === null) return notableTests(context, project);
	return history(context, { project: project ?? "adhoc", pipeline: pipeline ?? "", suite: suite ?? "", name });
}

async function notableTests(context: RequestContext<"user">, project: string | null): Promise<Response> {
	const { environment, principal } = context;
	const [tests, projects] = await Promise.all([
		projectTests(environment.DB, principal.team, project),
		listProjects(environment.DB, principal.team),
	]);
	return page(context, {
		title: "Tests",
		section: "tests",
		children: (
			<section>
				<h1>Tests</h1>
				<p class="soft">Of the newest runs that reported tests.</p>
				<nav class="chips" aria-label="Projects">
					<a class="chip" href="/tests" aria-current={project === null ? "true" : undefined}>
						All projects
					</a>
					{projects.map(({ name }) => (
						<a
							key={name}
							class="chip"
							href={`/tests?${new URLSearchParams({ project: name })}`}
							aria-current={name === project ? "true" : undefined}
						>
							{name}
						</a>
					))}
				</nav>
				<TestsView tests={tests} hasProjects={project === null} />
			</section>
		),
	});
}

async function history(
	context: RequestContext<"user">,
	test: { project: string; pipeline: string; suite: string; name: string },
): Promise<Response> {
	const { environment, principal } = context;
	const rows = await historyOf(environment.DB, { team: principal.team, ...test }, HISTORY_SHOWN, null);
	const items = rows.map(({ at, ...row }) => ({ ...row, at: new Date(at).toISOString() }));
	return page(context, { title: test.name, section: "tests", children: <TestPage test={test} history={{ items, next_cursor: null }} /> });
}
