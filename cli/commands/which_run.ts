import type { Job, Page, Run, RunSummary } from "../../schema/wire/resources.ts";
import { projectOfClone } from "../clone.ts";
import type { Connection } from "../connection.ts";
import { UsageError } from "../usage_error.ts";
import { currentBranch } from "../working_copy.ts";

/**
 * Which run or job the person names: by its id, or `latest` for the newest run of the project and
 * the branch of the clone that the command is called in.
 */

/** The first argument of commands that take a run or a job. */
export const RUN_OR_JOB = ["<id>", "the id of a run (run_…) or of a job (job_…), a project and number (web#40), or latest"] as const;
/** The second argument: one job of the run. */
export const ONE_JOB = ["[job]", "one job of that run, by its name"] as const;

/**
 * The id of a run or a job, or of the run's job with this name or id.
 * @param isChange whether the command changes the run: then `latest` outside of a clone is an error
 * @throws UsageError
 */
export async function resolveId(connection: Connection, named: string, job?: string, isChange = false): Promise<string> {
	const id = await namedId(connection, named, isChange);
	if (job === undefined) return id;
	if (kindOf(id) === "jobs") throw new UsageError(`${named} is a job, so it has no job ${job}. Name a run, or leave out ${job}.`);
	const { jobs } = await connection.json<Run>(`/api/v1/runs/${id}`);
	const [found, ...others] = jobs.filter((one) => one.id === job || one.name === job || one.key === job);
	if (found && others.length === 0) return found.id;
	const problem = found ? `Several jobs of this run have the name ${job}` : `This run has no job ${job}`;
	throw new UsageError(`${problem}. Name one of:\n${jobList(found ? [found, ...others] : jobs)}`);
}

/** Ids and names of jobs, one a line. */
export function jobList(jobs: readonly Job[]): string {
	return jobs.map((job) => `  ${job.id}  ${job.name}`).join("\n");
}

/** The part of the API's address that distinguishes runs and jobs. */
export function kindOf(id: string): "runs" | "jobs" {
	return id.startsWith("run_") ? "runs" : "jobs";
}

async function namedId(connection: Connection, named: string, isChange: boolean): Promise<string> {
	if (named !== "latest") {
		if (/^(run|job)_[0-9A-Z]{26}$/.test(named)) return named;
		const [, project, number] = /^([\w.-]+)#(\d{1,9})$/.exec(named) ?? [];
		if (project !== undefined && number !== undefined) return numberedRun(connection, project, number);
		throw new UsageError(
			`"${named}" is not the id of a run (run_…) or of a job (job_…), no project and number (web#40), and not latest. windlass ls shows the ids.`,
		);
	}
	const folder = process.cwd();
	const [project, branch] = [await projectOfClone(connection, folder), await currentBranch(folder)];
	if (project === null || branch === null) {
		if (isChange)
			throw new UsageError(
				"latest works only on a branch in a clone of a project's repository. Name the run by its id; windlass ls shows it.",
			);
		const newest = await newestRun(connection, {});
		process.stderr.write(`windlass: latest is the newest run of all projects: ${newest.project}, ${newest.pipeline} #${newest.number}\n`);
		return newest.id;
	}
	const newest = await newestRun(connection, { project, branch });
	process.stderr.write(`windlass: latest is ${newest.pipeline} #${newest.number} of project ${project}, branch ${branch}\n`);
	return newest.id;
}

/** The run of a project with this number. @throws UsageError */
async function numberedRun(connection: Connection, project: string, number: string): Promise<string> {
	let cursor: string | null = "";
	while (cursor !== null) {
		const query = new URLSearchParams({ project, number, kind: "pipeline", limit: "1", ...(cursor === "" ? {} : { cursor }) });
		const page: Page<RunSummary> = await connection.json(`/api/v1/runs?${query}`);
		if (page.items[0]) return page.items[0].id;
		cursor = page.next_cursor;
	}
	throw new UsageError(`Project ${project} has no run #${number}.`);
}

async function newestRun(connection: Connection, filter: { project?: string; branch?: string }): Promise<RunSummary> {
	const { items } = await connection.json<Page<RunSummary>>(`/api/v1/runs?${new URLSearchParams({ limit: "1", ...filter })}`);
	if (items[0]) return items[0];
	throw new UsageError(filter.project ? `Project ${filter.project} has no run of branch ${filter.branch} yet.` : "There is no run yet.");
}
