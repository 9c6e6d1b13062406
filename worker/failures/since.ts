import type { RunRow } from "../../schema/database/tables.ts";
import { readDefinition } from "../../schema/pipeline/resolve/resolved.ts";
import type { Failure } from "../../schema/wire/failures.ts";
import type { Job } from "../../schema/wire/resources.ts";
import { isFailure } from "../../schema/wire/state_words.ts";
import type { JobState } from "../../schema/wire/states.ts";
import type { Environment } from "../bindings.ts";
import { findDefinition } from "../record/runs.ts";

/** What distinguishes a failed run from the earlier runs of its branch. */

const MOST_COMMITS = 10;
/** How many earlier runs are looked at: for the last success, and for how the job ended in each. */
const RUNS_SEEN = 50;
const RUNS_COUNTED = 10;

interface Earlier {
	id: string;
	number: number;
	state: RunRow["state"];
	sha: string | null;
	message: string | null;
	author: string | null;
	params: string;
	definition: string;
	/** How the job with the failure ended, and where it ran. */
	job_state: JobState | null;
	agent: string | null;
}

/** The earlier runs of the same pipeline and branch, newest first. */
async function earlierRuns(db: D1Database, run: RunRow, jobName: string): Promise<Earlier[]> {
	const { results } = await db
		.prepare(
			`SELECT r.id, r.number, r.state, r.commit_sha AS sha, r.commit_message AS message, r.commit_author AS author, r.params, r.definition,
				j.state AS job_state, (SELECT a.agent_name FROM attempts AS a WHERE a.run_id = r.id AND a.job_id = j.id ORDER BY a.number DESC LIMIT 1) AS agent
			FROM runs AS r LEFT JOIN jobs AS j ON j.run_id = r.id AND j.name = ?5
			WHERE r.team = ?1 AND r.project = ?2 AND r.pipeline = ?3 AND r.branch IS ?4 AND r.id < ?6 ORDER BY r.id DESC LIMIT ${RUNS_SEEN}`,
		)
		.bind(run.team, run.project, run.pipeline, run.branch, jobName, run.id)
		.all<Earlier>();
	return results;
}

/** What has changed since the last success of the branch, and whether the job failed before. */
export async function comparedWithEarlier(
	environment: Environment,
	run: RunRow,
	job: Job | null,
	baseUrl: string,
): Promise<Pick<Failure, "since" | "before">> {
	const earlier = await earlierRuns(environment.DB, run, job?.name ?? "");
	const green = earlier.find(({ state }) => state === "succeeded");
	const before = job && beforeText(job.name, earlier);
	if (!green) return { since: null, before };
	const between = earlier.slice(0, earlier.indexOf(green));
	return {
		since: {
			run: { id: green.id, number: green.number, url: `${baseUrl}/runs/${green.id}` },
			commits: commitsOf([asEarlier(run), ...between], green.sha),
			changes: [...parameterChanges(run, green), ...(await definitionChanges(environment, run, green, job)), ...agentChange(job, green)],
		},
		before,
	};
}

function asEarlier(run: RunRow) {
	return { sha: run.commit_sha, message: run.commit_message, author: run.commit_author };
}

/** The commits of runs, newest first, each once. */
function commitsOf(runs: readonly Pick<Earlier, "sha" | "message" | "author">[], known: string | null) {
	const commits = new Map<string, { sha: string; subject: string; author: string }>();
	for (const { sha, message, author } of runs) {
		if (sha === null || sha === known || commits.has(sha)) continue;
		commits.set(sha, { sha, subject: message?.split("\n")[0] ?? "", author: (author ?? "").replace(/\s*<[^>]*>$/, "") });
	}
	return [...commits.values()].slice(0, MOST_COMMITS);
}

function parameterChanges(run: RunRow, green: Earlier): string[] {
	const [now, then] = [JSON.parse(run.params), JSON.parse(green.params)] as Record<string, unknown>[];
	const names = [...new Set([...Object.keys(now ?? {}), ...Object.keys(then ?? {})])];
	return names
		.filter((name) => now?.[name] !== then?.[name])
		.map((name) => `parameter ${name}: ${shown(then?.[name])} → ${shown(now?.[name])}`);
}

function shown(value: unknown): string {
	return value === undefined ? "not set" : JSON.stringify(value);
}

async function definitionChanges(environment: Environment, run: RunRow, green: Earlier, job: Job | null): Promise<string[]> {
	if (run.definition === green.definition) return [];
	const [now, then] = await Promise.all([
		findDefinition(environment, run.team, run),
		findDefinition(environment, run.team, { ...run, definition: green.definition }),
	]);
	if (now === null || then === null) return ["the pipeline"];
	const imageIn = (json: string) => {
		const found = readDefinition(json).jobs.find((one) => one.key === job?.key);
		return found?.container ? JSON.stringify(found.container.image) : "no container";
	};
	const [image, former] = [imageIn(now), imageIn(then)];
	return image === former ? ["the pipeline"] : [`image: ${former} → ${image}`];
}

function agentChange(job: Job | null, green: Earlier): string[] {
	const agent = job?.attempts.at(-1)?.agent.name;
	return agent === undefined || green.agent === null || agent === green.agent ? [] : [`agent: ${green.agent} → ${agent}`];
}

function beforeText(job: string, earlier: readonly Earlier[]): string | null {
	const counted = earlier
		.filter(({ job_state }) => job_state === "succeeded" || (job_state && isFailure(job_state)))
		.slice(0, RUNS_COUNTED);
	if (counted.length === 0) return null;
	const failed = counted.filter(({ job_state }) => job_state !== "succeeded");
	const runs = counted.length === 1 ? "the run" : `the ${counted.length} runs`;
	if (failed.length === 0) return `${job} succeeded in ${runs} of this branch before.`;
	if (failed.length === counted.length) return `${job} failed in ${runs} of this branch before, too.`;
	const streak = counted.findIndex(({ job_state }) => job_state === "succeeded");
	const since = streak > 0 ? ` It has failed since #${counted[streak - 1]?.number}.` : "";
	return `${job} failed in ${failed.length} of ${runs} of this branch before.${since}`;
}
