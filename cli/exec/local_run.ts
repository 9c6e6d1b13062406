import { randomBytes } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { removeLabelled } from "../../agent/execution/containers/docker.ts";
import { inheritedEnvironment, inheritedInContainers } from "../../agent/execution/environment.ts";
import { JobRun } from "../../agent/execution/job_run.ts";
import { SpoolBudget } from "../../agent/log/spool_budget.ts";
import { AgentInfo } from "../../agent/machine/agent_info.ts";
import type { readContainerOptions } from "../../agent/options.ts";
import { Cgroups } from "../../agent/processes/cgroup.ts";
import type { JobResult } from "../../agent/protocol/job.ts";
import { jobsMeant } from "../../schema/pipeline/resolve/resolve.ts";
import type { ResolvedJob, ResolvedPipeline } from "../../schema/pipeline/resolve/resolved.ts";
import { asksForStatus, countsAsFailure, type DownloadableJob, decide } from "../../schema/pipeline/runtime/decide.ts";
import { runFacts, type SettledJob } from "../../schema/pipeline/runtime/settle.ts";
import { firstUnmetRequirement } from "../../schema/pipeline/validate/requirements.ts";
import { LogFormatter } from "../../schema/text/log_formatter.ts";
import { DEFAULT_MAX_LOG_BYTES, MAX_LOG_CHUNK_BYTES } from "../../schema/wire/limits.ts";
import type { Assignment } from "../../schema/wire/protocol.ts";
import { isTerminal, type JobState, type Reason } from "../../schema/wire/states.ts";
import { LocalCoordinator } from "./local_coordinator.ts";

/** A pipeline on this machine alone: the jobs one after the other, through the agent's own code. */

export interface LocalJob {
	definition: ResolvedJob;
	state: JobState;
	reason: Reason | null;
	exitCode: number | null;
	outputs: Record<string, string> | null;
	needs: LocalJob[];
	/** The name of the folder for its files: names of jobs may be the same, and hold what a folder cannot be called. */
	folder: string;
}

interface LocalOptions {
	pipeline: ResolvedPipeline;
	/** Only this job, as if all that it needs had succeeded; null: all. */
	only: string | null;
	/** The source, as a tar archive. */
	source: Uint8Array;
	/** Where everything is kept while it runs. */
	folder: string;
	/** Where the files are put that jobs save, a folder for each. */
	artifacts: string;
	version: string;
	/** Secrets by their names. */
	secrets: Readonly<Record<string, string>>;
	/** What jobs in containers may have of this machine. */
	containers: ReturnType<typeof readContainerOptions>;
	/** Lets gates pass. */
	approve: boolean;
	signal: AbortSignal;
	/** Called with lines of a job's log. */
	onText(job: string, text: Uint8Array): void;
	onState(job: LocalJob): void;
}

const EVENT = "exec";
const KILL_GRACE_MS = 10_000;
const SPOOL_BYTES = 1024 ** 3;
const MAX_FOLDER = 200;
/** Why the jobs of a run are cancelled whose own time is over. */
const RUN_TIMED_OUT: Reason = { code: "run_timed_out", text: "The time of the run was over." };

/** Runs the jobs in an order in which each comes after those that it needs. @returns the jobs as they ended */
export async function runLocally(options: LocalOptions): Promise<LocalJob[]> {
	const { pipeline } = options;
	const jobs = prepare(pipeline);
	const chosen = jobs.filter(({ definition }) => isChosen(definition, options.only));
	if (options.only !== null) for (const job of jobs) if (!chosen.includes(job)) job.state = "succeeded";
	const coordinator = new LocalCoordinator(options.artifacts, options.source);
	const facts = new AgentInfo({ slots: 1, labels: [], workDir: options.folder, probes: {} }, options.version, false);
	await facts.detect();
	const cgroups = Cgroups.open(options.folder);
	const label = `windlass.agent=exec-${randomBytes(6).toString("hex")}`;
	const late = new AbortController();
	const timer = pipeline.timeout_ms === null ? undefined : setTimeout(() => late.abort(), pipeline.timeout_ms);
	try {
		for (let next = nextJob(chosen); next; next = nextJob(chosen)) {
			await runJob(next, options, { jobs, chosen, coordinator, facts, label, cgroups, late: late.signal });
			options.onState(next);
			for (const ended of endWith(next, chosen, pipeline)) options.onState(ended);
		}
	} finally {
		clearTimeout(timer);
		await removeLabelled(label);
	}
	return chosen;
}

/** Whether a job is one of those that are to run: all, or the one that is named. */
export function isChosen({ key, name }: ResolvedJob, only: string | null): boolean {
	return only === null || key === only || name === only;
}

function prepare(pipeline: ResolvedPipeline): LocalJob[] {
	const taken = new Set<string>();
	const jobs = pipeline.jobs.map(
		(definition): LocalJob => ({
			definition,
			state: "blocked",
			reason: null,
			exitCode: null,
			outputs: null,
			needs: [],
			folder: folderFor(definition, taken),
		}),
	);
	for (const job of jobs) {
		const meant = new Set(job.definition.needs.flatMap((need) => jobsMeant(pipeline.jobs, need)));
		job.needs = jobs.filter(({ definition }) => meant.has(definition));
	}
	return jobs;
}

/** A name that no other job's folder has: the job's key, with the values of its variant. */
function folderFor({ key, matrix }: ResolvedJob, taken: Set<string>): string {
	const name = [key, ...Object.values(matrix ?? {})]
		.join("-")
		.replaceAll(/[^A-Za-z0-9._-]+/g, "-")
		.slice(0, MAX_FOLDER);
	let own = name;
	for (let n = 2; taken.has(own); n += 1) own = `${name}-${n}`;
	taken.add(own);
	return own;
}

/**
 * Ends what `fail_fast` ends with a job that has failed. All of it waits, as one job runs at a time; a job that asks how others ended is there for
 * just this case.
 */
function endWith({ definition: failed, state }: LocalJob, jobs: readonly LocalJob[], pipeline: ResolvedPipeline): LocalJob[] {
	if (!countsAsFailure({ state, mayFail: failed.allow_failure })) return [];
	const ended = jobs.filter(
		({ definition, state: other }) =>
			other === "blocked" && (pipeline.fail_fast || (failed.fail_fast && definition.key === failed.key)) && !asksForStatus(definition),
	);
	for (const job of ended) end(job, "skipped", { code: "fail_fast", text: `Ended because ${failed.name} failed.` });
	return ended;
}

function nextJob(jobs: readonly LocalJob[]): LocalJob | undefined {
	return jobs.find((job) => job.state === "blocked" && job.needs.every(({ state }) => isTerminal(state)));
}

interface Workplace {
	/** All jobs of the pipeline. */
	jobs: readonly LocalJob[];
	/** Those that are run. */
	chosen: readonly LocalJob[];
	coordinator: LocalCoordinator;
	facts: AgentInfo;
	label: string;
	cgroups: Cgroups | null;
	/** Aborted when the time of the run is over. */
	late: AbortSignal;
}

async function runJob(job: LocalJob, options: LocalOptions, workplace: Workplace): Promise<void> {
	const { pipeline, signal } = options;
	if (signal.aborted) return end(job, "cancelled", { code: "cancelled", text: "Cancelled." });
	if (workplace.late.aborted) return end(job, "cancelled", RUN_TIMED_OUT);
	const verdict = decide(job.definition, {
		pipeline,
		run: runFacts(pipeline, "local", EVENT),
		needs: job.needs.map(downloadsOf),
		ancestors: () => ancestorsOf(job).map(downloadsOf),
	});
	if (verdict.is === "skipped") return end(job, "skipped", verdict.reason);
	if (verdict.is === "broken") return end(job, "errored", verdict.reason);
	if (verdict.is === "waiting") throw new Error("a job waits for one that has ended");
	if (job.definition.approval && !options.approve)
		return end(job, "skipped", { code: "gate", text: "It waits for an approval; pass --approve to let it pass." });
	const offering = await workplace.facts.offering();
	// Labels say which machine; here there is one.
	const lack = firstUnmetRequirement({ ...job.definition.runs_on, labels: [] }, offering);
	if (lack !== null) return end(job, "errored", { code: "agent_unsuitable", text: `This machine ${lack}.` });
	const missing = Object.values(verdict.job.secrets).filter((name) => options.secrets[name] === undefined);
	if (missing.length > 0)
		return end(job, "errored", { code: "secret_unavailable", text: `There is no secret ${missing.join(", ")}; give them with --secrets.` });
	const fetched = fetchedBy(verdict.job, workplace.jobs);
	const absent = fetched.filter((one) => !workplace.chosen.includes(one.job)).map((one) => one.job.definition.name);
	if (absent.length > 0)
		return end(job, "errored", {
			code: "artifacts_unavailable",
			text: `It fetches files of ${[...new Set(absent)].join(", ")}, which must run here before it: run all of the pipeline, without naming a job.`,
		});
	workplace.coordinator.begin(
		job.folder,
		fetched.map((one) => ({ ...one, job: one.job.definition.name, folder: one.job.folder })),
	);
	const result = await runAttempt(verdict.job, options, workplace);
	job.exitCode = result.exit_code;
	job.outputs = result.outputs;
	const isLate = result.state === "cancelled" && !signal.aborted;
	end(job, result.state, isLate ? RUN_TIMED_OUT : result.reason);
}

/** What a job fetches, from job after job. */
function fetchedBy({ artifacts }: SettledJob, jobs: readonly LocalJob[]) {
	return artifacts.fetch.flatMap((fetched) => {
		const meant = new Set(
			jobsMeant(
				jobs.map(({ definition }) => definition),
				fetched,
			),
		);
		return jobs.filter(({ definition }) => meant.has(definition)).map((job) => ({ job, patterns: fetched.paths, into: fetched.into }));
	});
}

function end(job: LocalJob, state: JobState, reason: Reason | null): void {
	job.state = state;
	job.reason = reason;
}

function downloadsOf({ definition, state, outputs }: LocalJob): DownloadableJob {
	const { key, name, allow_failure: mayFail, outputs: declared } = definition;
	return { key, name, state, mayFail, declared, outputs: () => outputs };
}

function ancestorsOf(job: LocalJob): LocalJob[] {
	const found = new Set<LocalJob>();
	const waiting = [...job.needs];
	for (let one = waiting.pop(); one; one = waiting.pop()) {
		if (found.has(one)) continue;
		found.add(one);
		waiting.push(...one.needs);
	}
	return [...found];
}

async function runAttempt(settled: SettledJob, options: LocalOptions, workplace: Workplace): Promise<JobResult> {
	const { pipeline, folder } = options;
	const { coordinator, facts, label } = workplace;
	const signal = AbortSignal.any([options.signal, workplace.late]);
	const assignment = assignmentOf(pipeline, settled, options.secrets);
	const own = path.join(folder, assignment.attempt_id);
	await mkdir(own, { recursive: true, mode: 0o700 });
	const run = await JobRun.prepare({
		assignment,
		folder: own,
		environment: inheritedEnvironment(process.env, []),
		containerEnvironment: inheritedInContainers(process.env, []),
		checkoutEnvironment: inheritedEnvironment(process.env, []),
		mirrors: path.join(folder, "mirrors"),
		cgroup: workplace.cgroups?.create(assignment.attempt_id) ?? null,
		client: coordinator,
		token: "local",
		killGraceMs: KILL_GRACE_MS,
		budget: new SpoolBudget(SPOOL_BYTES),
		maxLogBytes: DEFAULT_MAX_LOG_BYTES,
		now: Date.now,
		offering: () => facts.offering(),
		containerLabel: label,
		containerLimits: options.containers,
		registryCredentials: options.containers.registryCredentials,
	});
	const onAbort = () => run.stop("cancelled");
	signal.addEventListener("abort", onAbort, { once: true });
	if (signal.aborted) onAbort();
	const printing = printLog(run, (text) => options.onText(settled.name, text));
	const result = await run.run();
	await printing.end();
	signal.removeEventListener("abort", onAbort);
	const files = result.artifacts.filter(({ kind }) => kind === "file");
	coordinator.keep(
		files.map(({ path: name, size, sha256, executable }) => ({ path: name, size, sha256, executable: executable ?? false })),
	);
	await run.close();
	await rm(own, { recursive: true, force: true });
	return result;
}

/** What an agent would be given for this job. */
function assignmentOf(pipeline: ResolvedPipeline, job: SettledJob, secrets: LocalOptions["secrets"]): Assignment {
	const id = `att_${randomBytes(13).toString("hex").toUpperCase()}`;
	return {
		attempt_id: id,
		number: 1,
		ttl_ms: 0,
		run: { id: "run_local", number: 1, project: "local", url: "", event: EVENT, pull_request: null },
		pipeline: pipeline.name,
		job: { id: "job_local", key: job.key, name: job.name, url: "" },
		server_url: "",
		matrix: job.matrix,
		env: job.env,
		secrets: Object.fromEntries(Object.entries(job.secrets).map(([variable, name]) => [variable, secrets[name] as string])),
		timeout_ms: job.timeout_ms,
		idle_timeout_ms: job.idle_timeout_ms,
		runs_on: { ...job.runs_on, labels: [] },
		steps: job.steps,
		container: job.container,
		services: job.services,
		outputs: job.outputs,
		reports: job.reports,
		plan: null,
		lists_refs: false,
		source: { upload: "this folder" },
		artifacts: { save: job.artifacts.save, entries: job.artifacts.entries, fetch: [...new Set(job.artifacts.fetch.map(({ key }) => key))] },
	};
}

/** Passes a log on as it grows, without the times that its lines begin with. */
function printLog(run: JobRun, onText: (text: Uint8Array) => void): { end(): Promise<void> } {
	const stopping = new AbortController();
	const formatter = new LogFormatter("raw");
	const print = async () => {
		for (let offset = 0; ; ) {
			const bytes = await run.spool.read(offset, MAX_LOG_CHUNK_BYTES);
			if (bytes.byteLength === 0) {
				if (stopping.signal.aborted) break;
				await run.spool.grown(offset, stopping.signal);
				continue;
			}
			offset += bytes.byteLength;
			await run.spool.acknowledge(bytes);
			onText(formatter.push(bytes));
		}
	};
	const done = print();
	return {
		async end() {
			stopping.abort();
			await done;
		},
	};
}
