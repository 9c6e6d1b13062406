import type { Command } from "commander";
import type { Explanation, Job, Page, Run, RunSummary, SubmittedRun } from "../../schema/wire/resources.ts";
import { projectOfClone } from "../clone.ts";
import { type ConfirmedFlags, confirm, YES } from "../confirmation.ts";
import { Connection, type ConnectionFlags } from "../connection.ts";
import { UsageError } from "../failures.ts";
import { ago, paint, print, printJson, stateText, table, took } from "../terminal.ts";
import { currentBranch } from "../working_copy.ts";
import { command } from "./command.ts";
import { followRun } from "./follow.ts";

/**
 * The commands that look at runs and jobs, and change them. A run or job is named by its id; `latest` is the newest run of the project and
 * the branch of the clone that the person stands in.
 */

interface Flags extends ConnectionFlags {
	output: string;
}

const DECIDED = "the id of the job, or of the run, or latest: of a run the job that waits for an approval";
const WHICH = "the id of a run (run_…) or of a job (job_…), or latest";

/** The second argument of commands that take a run or a job. */
export const ONE_JOB = ["[job]", "one job of that run, by its name"] as const;

/**
 * The id that is meant: of a run or a job, or of the job of a run that has this name or id.
 * @param isChange whether what is meant is to be changed: then `latest` is no guess
 * @throws UsageError
 */
export async function resolveId(connection: Connection, named: string, job?: string, isChange = false): Promise<string> {
	const id = await namedId(connection, named, isChange);
	if (job === undefined) return id;
	if (kindOf(id) === "jobs") throw new UsageError(`${named} is a job already; ${job} can be one only of a run`);
	const { jobs } = await connection.json<Run>(`/api/v1/runs/${id}`);
	const [found, ...others] = jobs.filter((one) => one.id === job || one.name === job || one.key === job);
	if (found && others.length === 0) return found.id;
	const why = found ? `several jobs of this run are called ${job}` : `this run has no job ${job}`;
	throw new UsageError(`${why}; name one:\n${listOf(found ? [found, ...others] : jobs)}`);
}

function listOf(jobs: readonly Job[]): string {
	return jobs.map((job) => `  ${job.id}  ${job.name}`).join("\n");
}

async function namedId(connection: Connection, named: string, isChange: boolean): Promise<string> {
	if (named !== "latest") {
		if (/^(run|job)_[0-9A-Z]{26}$/.test(named)) return named;
		throw new UsageError(`${named} is not an id like run_… or job_…, nor latest`);
	}
	const folder = process.cwd();
	const [project, branch] = [await projectOfClone(connection, folder), await currentBranch(folder)];
	if (project === null || branch === null) {
		if (isChange)
			throw new UsageError(
				"latest: this folder is no clone of a project's repository on a branch; name the run by its id, windlass ls shows it",
			);
		const newest = await newestRun(connection, {});
		process.stderr.write(`windlass: latest is the newest run of all projects: ${newest.project}, ${newest.pipeline} #${newest.number}\n`);
		return newest.id;
	}
	const newest = await newestRun(connection, { project, branch });
	process.stderr.write(`windlass: latest is ${newest.pipeline} #${newest.number} of the project ${project}, branch ${branch}\n`);
	return newest.id;
}

async function newestRun(connection: Connection, filter: { project?: string; branch?: string }): Promise<RunSummary> {
	const { items } = await connection.json<Page<RunSummary>>(`/api/v1/runs?${new URLSearchParams({ limit: "1", ...filter })}`);
	if (items[0]) return items[0];
	throw new UsageError(
		filter.project ? `there is no run of the project ${filter.project} and the branch ${filter.branch} yet` : "there is no run yet",
	);
}

function kindOf(id: string): "runs" | "jobs" {
	return id.startsWith("run_") ? "runs" : "jobs";
}

export function listCommand(): Command {
	return command("ls", "List runs, newest first.", "windlass ls --state failed --limit 5")
		.option("--state <state>", "only those in this state")
		.option("--project <name>", "only those of this project")
		.option("--branch <name>", "only those of this branch of the project")
		.option("-n, --limit <n>", "how many", "20")
		.action(async (flags: Flags & { state?: string; project?: string; branch?: string; limit: string }) => {
			const query = new URLSearchParams({ limit: flags.limit });
			if (flags.state) query.set("state", flags.state);
			if (flags.project) query.set("project", flags.project);
			if (flags.branch) query.set("branch", flags.branch);
			const page = await new Connection(flags).json<Page<RunSummary>>(`/api/v1/runs?${query}`);
			if (flags.output === "json") return printJson(page.items);
			const rows = page.items.map((run) => [
				stateText(run.state),
				run.project,
				`${run.pipeline} #${run.number}`,
				run.branch ?? "–",
				took(run.started_at, run.finished_at),
				ago(run.created_at),
				run.id,
			]);
			print(table([["state", "project", "run", "branch", "took", "submitted", "id"], ...rows]));
		});
}

export function showCommand(): Command {
	return command("show", "Show a run with its jobs, or a job with its steps.", "windlass show latest\n  windlass show latest build")
		.argument("<id>", WHICH)
		.argument(...ONE_JOB)
		.action(async (named: string, job: string | undefined, flags: Flags) => {
			const connection = new Connection(flags);
			const id = await resolveId(connection, named, job);
			const found = await connection.json<Run | Job>(`/api/v1/${kindOf(id)}/${id}`);
			if (flags.output === "json") printJson(found);
			else print("jobs" in found ? describeRun(found, await reasonsOf(connection, found)) : describeJob(found));
		});
}

/** Of so many jobs that wait it is asked why. */
const MAX_ASKED = 20;

/** Why the jobs of a run are as they are, by their ids. */
async function reasonsOf(connection: Connection, run: Run): Promise<Map<string, string>> {
	const reasons = new Map(run.jobs.flatMap(({ id, reason }) => (reason ? [[id, reason.text]] : [])));
	const asked = run.jobs.filter((job) => isWaiting(job) && !job.reason).slice(0, MAX_ASKED);
	const told = await Promise.all(asked.map(({ id }) => connection.json<Explanation>(`/api/v1/jobs/${id}/explain`)));
	for (const { job_id, summary } of told) reasons.set(job_id, summary);
	return reasons;
}

function describeRun(run: Run, reasons: ReadonlyMap<string, string>): string {
	const rows = run.jobs.map((job) => [
		stateText(job.state),
		job.name,
		took(job.started_at, job.finished_at),
		job.attempts.at(-1)?.agent.name ?? "–",
		job.id,
		reasons.get(job.id)?.slice(0, 100) ?? "",
	]);
	const facts = [
		run.branch,
		run.commit?.sha.slice(0, 12),
		`by ${run.trigger.actor}`,
		ago(run.created_at),
		run.rerun_of && `repeats ${run.rerun_of}`,
		run.pull_request && `pull request #${run.pull_request}`,
		!run.trusted &&
			(run.approved_by ? `approved by ${run.approved_by}` : "from another repository: gets no secrets, waits for an approval"),
	];
	return `${stateText(run.state)}  ${paint("bold", `${run.pipeline} #${run.number}`)}  ${facts.filter(Boolean).join(" · ")}\n${paint("gray", run.url)}\n${run.reason ? `${run.reason.text}\n` : ""}\n${table([["state", "job", "took", "agent", "id", ""], ...rows])}`;
}

function describeJob(job: Job): string {
	const rows = job.steps.map((step) => [stateText(step.state), step.name, took(step.started_at, step.finished_at)]);
	const outputs = Object.entries(job.outputs ?? {}).map(
		([name, value]) => `  ${name}=${value.length > 100 ? `${value.slice(0, 99)}…` : value}\n`,
	);
	return `${stateText(job.state)}  ${paint("bold", job.name)}  ${took(job.started_at, job.finished_at)}\n${job.reason ? `${job.reason.text}\n` : ""}\n${table([["state", "step", "took"], ...rows])}${outputs.length > 0 ? `\noutputs\n${outputs.join("")}` : ""}`;
}

export function cancelCommand(): Command {
	return command("cancel", "Cancel a run or a job.", "windlass cancel latest")
		.argument("<id>", WHICH)
		.argument(...ONE_JOB)
		.action((named: string, job: string | undefined, flags: Flags) => change([named, job], flags, "cancel", {}));
}

export function deleteCommand(): Command {
	return command("rm", "Delete a run that is over, with its logs and artifacts.", "windlass rm run_01JB… --yes")
		.argument("<run>", "the id of a run, or latest")
		.option(...YES)
		.action(async (named: string, flags: Flags & ConfirmedFlags) => {
			const connection = new Connection(flags);
			const { id, project, pipeline, number } = await connection.json<Run>(
				`/api/v1/runs/${await resolveId(connection, named, undefined, true)}`,
			);
			await confirm(`Delete the run ${pipeline} #${number} of the project ${project}, with its logs and artifacts`, flags);
			await connection.send(`/api/v1/runs/${id}`, { method: "DELETE" });
			if (flags.output === "json") printJson({ removed: id });
			else print(`The run ${id} is deleted.`);
		});
}

export function approveCommand(): Command {
	return command(
		"approve",
		"Let a job pass its gate, or a run that comes from another repository.",
		"windlass approve latest\n  windlass approve job_01JB…",
	)
		.argument("<id>", DECIDED)
		.argument(...ONE_JOB)
		.action((named: string, job: string | undefined, flags: Flags) => change([named, job], flags, "approve", {}, atGate));
}

export function declineCommand(): Command {
	return command(
		"decline",
		"End a job at its gate, or a run that comes from another repository.",
		"windlass decline job_01JB… --comment 'not on a Friday'",
	)
		.argument("<id>", DECIDED)
		.argument(...ONE_JOB)
		.option("-m, --comment <text>", "why")
		.action((named: string, job: string | undefined, flags: Flags & { comment?: string }) =>
			change([named, job], flags, "decline", flags.comment === undefined ? {} : { comment: flags.comment }, atGate),
		);
}

/** What is decided on: of a run of which one job waits at a gate, that job. @throws UsageError where several wait */
async function atGate(connection: Connection, id: string): Promise<string> {
	if (kindOf(id) === "jobs") return id;
	const run = await connection.json<Run>(`/api/v1/runs/${id}`);
	const waiting = run.jobs.filter((job) => job.state === "blocked" && job.reason?.code === "approval");
	// A run of strangers is decided on as a whole before any of its jobs.
	if (waiting.length === 0 || (!run.trusted && run.approved_by === null)) return id;
	if (waiting.length > 1) throw new UsageError(`several jobs of this run wait for an approval; name one:\n${listOf(waiting)}`);
	return (waiting[0] as Job).id;
}

async function change(
	[named, job]: [named: string, job: string | undefined],
	flags: Flags,
	what: string,
	json: unknown,
	meant: (connection: Connection, id: string) => Promise<string> | string = (_, id) => id,
): Promise<void> {
	const connection = new Connection(flags);
	const id = await meant(connection, await resolveId(connection, named, job, true));
	const changed = await connection.json<Run | Job>(`/api/v1/${kindOf(id)}/${id}/${what}`, { method: "POST", json });
	if (flags.output === "json") printJson(changed);
	else print(`${stateText(changed.state)}  ${id}`);
}

export function explainCommand(): Command {
	return command("explain", "Say why a job is where it is; of a run, why its jobs wait.", "windlass explain latest")
		.argument("<id>", WHICH)
		.argument(...ONE_JOB)
		.action(async (named: string, job: string | undefined, flags: Flags) => {
			const connection = new Connection(flags);
			const id = await resolveId(connection, named, job);
			const jobs =
				kindOf(id) === "jobs" ? [id] : (await connection.json<Run>(`/api/v1/runs/${id}`)).jobs.filter(isWaiting).map((job) => job.id);
			const all = await Promise.all(jobs.map((job) => connection.json<Explanation>(`/api/v1/jobs/${job}/explain`)));
			if (flags.output === "json") return printJson(all);
			if (all.length === 0) return print("No job of this run is waiting.");
			for (const one of all) {
				print(`${stateText(one.state)}  ${one.job_id}  ${one.summary}`);
				for (const agent of one.agents) print(`    ${paint(agent.fits ? "green" : "gray", agent.name)} ${agent.reason}`);
			}
		});
}

function isWaiting(job: Job): boolean {
	return job.state === "blocked" || job.state === "queued" || job.state === "leased";
}

export function rerunCommand(setExitCode: (code: number) => void): Command {
	return command("rerun", "Repeat a run with the same pipeline, parameters and commit.", "windlass rerun latest --failed")
		.argument("<run>", "the id of a run, or latest")
		.option("--failed", "only what did not succeed")
		.option("--job <job>", "only this job, by its name or id, and those that need it")
		.option("-d, --detach", "do not follow it")
		.action(async (named: string, flags: Flags & { failed?: boolean; job?: string; detach?: boolean }) => {
			const connection = new Connection(flags);
			const id = await resolveId(connection, named, undefined, true);
			const job = flags.job === undefined ? {} : { job: await resolveId(connection, id, flags.job) };
			const json = { ...(flags.failed ? { only: "failed" } : {}), ...job };
			const run = await connection.json<SubmittedRun>(`/api/v1/runs/${id}/rerun`, { method: "POST", json });
			if (flags.output === "json") printJson(run);
			else if (flags.detach) print(`${run.url}\n${run.id}`);
			else setExitCode(await followRun(connection, run));
		});
}
