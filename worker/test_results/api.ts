import { ApiError, notFound } from "../../schema/wire/errors.ts";
import type { TestHistory } from "../../schema/wire/resources.ts";
import * as resources from "../../schema/wire/resources.ts";
import { json } from "../http/answers.ts";
import { integer, limit, numberCursor, oneOf, text } from "../http/parameters.ts";
import { type Queried, type RequestContext, route } from "../http/route.ts";
import { requireJob, requireRun } from "../record/require.ts";
import { testsOfRun } from "./run_tests.ts";
import { readSummary } from "./service.ts";
import { historyOf } from "./store.ts";

/** The reports of jobs: tests, coverage, summaries. */

type Caller = RequestContext<"user" | "host">;

const LIST = {
	state: oneOf("the state of the cases (failed)", ["failed", "passed", "skipped", "flaky"]),
	from: integer("how many of them to skip", { least: 0, most: 1_000_000, fallback: 0 }),
	limit: limit(100, 1000),
};

/** GET /runs/:id/tests: totals, the failed cases (or those of another state), the slowest, the flaky, the coverage. */
async function list(context: Caller & Queried<typeof LIST>): Promise<Response> {
	const record = await requireRun(context);
	const { state, from, limit } = context.query;
	return json(await testsOfRun(context.environment, record, { state: state ?? "failed", from, count: limit }));
}

const HISTORY = {
	project: text("the project of the test (adhoc)"),
	pipeline: text("its pipeline"),
	suite: text("its suite"),
	name: text("its name"),
	limit: limit(50),
	cursor: numberCursor(),
};

/** GET /tests/history: the results of one test, newest first. */
async function history({ query, environment, principal }: Caller & Queried<typeof HISTORY>): Promise<Response> {
	const { limit } = query;
	const word = (name: "project" | "pipeline" | "suite" | "name", fallback: string | null) => {
		const value = query[name] ?? fallback;
		if (value === null)
			throw new ApiError("malformed", `The parameter ${name} is missing.`, {
				details: { parameter: name },
				suggestions: [`Add ${name} to the query.`],
			});
		return value;
	};
	const test = {
		team: principal.team,
		project: word("project", "adhoc"),
		pipeline: word("pipeline", null),
		suite: word("suite", ""),
		name: word("name", null),
	};
	const rows = await historyOf(environment.DB, test, limit + 1, query.cursor);
	const items = rows.slice(0, limit).map(({ at, ...row }) => ({ ...row, at: new Date(at).toISOString() }));
	const last = rows[limit - 1];
	return json({ items, next_cursor: rows.length > limit && last ? String(last.at) : null } satisfies TestHistory);
}

/** GET /jobs/:id/summary: the summary of the job, as Markdown. */
async function summary({ environment, principal, params }: Caller): Promise<Response> {
	const { job } = await requireJob(environment, principal.team, params.id ?? "");
	const text = job.result_attempt && (await readSummary(environment, principal.team, job.result_attempt));
	if (!text) throw notFound("summary", `of job ${job.id}`);
	return new Response(text, {
		headers: {
			"Content-Type": "text/markdown; charset=utf-8",
			"Content-Security-Policy": "sandbox; default-src 'none'",
			"X-Content-Type-Options": "nosniff",
		},
	});
}

export const testRoutes = [
	route({
		method: "GET",
		path: "/api/v1/runs/:id/tests",
		visitors: true,
		allow: ["user", "host"],
		action: "read",
		description: { summary: "The tests of a run: totals, cases, the slowest, the flaky, coverage", answers: { 200: resources.runTests } },
		query: LIST,
		handle: list,
	}),
	route({
		method: "GET",
		path: "/api/v1/tests/history",
		allow: ["user", "host"],
		action: "read",
		description: { summary: "The results of one test, newest first", answers: { 200: resources.testHistory } },
		query: HISTORY,
		handle: history,
	}),
	route({
		method: "GET",
		path: "/api/v1/jobs/:id/summary",
		visitors: true,
		allow: ["user", "host"],
		action: "read",
		description: { summary: "The summary of a job, as Markdown", answers: { 200: "text/markdown" } },
		handle: summary,
	}),
];
