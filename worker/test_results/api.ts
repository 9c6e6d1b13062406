import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { MAX_SUMMARY_BYTES } from "../../schema/wire/limits.ts";
import { ownArtifactPath } from "../../schema/wire/paths.ts";
import type { TestHistory } from "../../schema/wire/resources.ts";
import { readArtifact } from "../artifacts/objects.ts";
import type { Environment } from "../bindings.ts";
import { json } from "../http/answers.ts";
import { integerParameter, numberCursor, onlyParameters, wordParameter } from "../http/queries.ts";
import { type RequestContext, route } from "../http/route.ts";
import { requireJob } from "../jobs/api.ts";
import { requireRun } from "../runs/api.ts";
import { findArtifact } from "../runs/store.ts";
import { testsOfRun } from "./run_tests.ts";
import { historyOf } from "./store.ts";

/** What jobs say of themselves: tests, coverage, summaries. */

type Caller = RequestContext<"user" | "host">;

const STATES = ["failed", "passed", "skipped", "flaky"] as const;
const MOST_CASES = 1000;

/** GET /runs/:id/tests: totals, the failed cases (or those of another state), the slowest, the flaky, the coverage. */
async function list(context: Caller): Promise<Response> {
	const { url, environment } = context;
	onlyParameters(url, ["state", "from", "limit"]);
	const record = await requireRun(context);
	const filter = {
		state: wordParameter(url, "state", STATES) ?? "failed",
		from: integerParameter(url, "from", { least: 0, most: 1_000_000, fallback: 0 }),
		count: integerParameter(url, "limit", { least: 1, most: MOST_CASES, fallback: 100 }),
	};
	return json(await testsOfRun(environment, record, filter));
}

/** GET /tests/history: how one test went over time, newest first. */
async function history({ url, environment, principal }: Caller): Promise<Response> {
	onlyParameters(url, ["project", "pipeline", "suite", "name", "limit", "cursor"]);
	const word = (name: string, fallback: string | null) => {
		const value = url.searchParams.get(name) ?? fallback;
		if (value === null) throw new ApiError("malformed", `The parameter ${name} is missing.`, { details: { parameter: name } });
		return value;
	};
	const limit = integerParameter(url, "limit", { least: 1, most: 200, fallback: 50 });
	const before = numberCursor(url);
	const test = {
		team: principal.team,
		project: word("project", "adhoc"),
		pipeline: word("pipeline", null),
		suite: word("suite", ""),
		name: word("name", null),
	};
	const rows = await historyOf(environment.DB, test, limit + 1, before);
	const items = rows.slice(0, limit).map(({ at, ...row }) => ({ ...row, at: new Date(at).toISOString() }));
	const last = rows[limit - 1];
	return json({ items, next_cursor: rows.length > limit && last ? String(last.at) : null } satisfies TestHistory);
}

/** GET /jobs/:id/summary: what the job says of itself, as Markdown. */
async function summary({ url, environment, principal, params }: Caller): Promise<Response> {
	onlyParameters(url, []);
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

/** The summary that an attempt has written; null if there is none (any more). */
export async function readSummary(environment: Environment, team: string, attemptId: string): Promise<string | null> {
	const row = await findArtifact(environment, team, attemptId, ownArtifactPath("summary"));
	if (!row || row.expired_at !== null || row.size > MAX_SUMMARY_BYTES) return null;
	const body = await readArtifact(environment.BUCKET, row, 0, row.size);
	return body && new Response(body).text();
}

export const testRoutes = [
	route("GET", "/api/v1/runs/:id/tests", ["user", "host"], list),
	route("GET", "/api/v1/tests/history", ["user", "host"], history),
	route("GET", "/api/v1/jobs/:id/summary", ["user", "host"], summary),
];
