import { randomBytes } from "node:crypto";
import path from "node:path";
import { openCaches } from "../../agent/caches/agent_caches.ts";
import { removeLabelled } from "../../agent/execution/containers/docker.ts";
import { AgentInfo } from "../../agent/machine/agent_info.ts";
import { Cgroups } from "../../agent/processes/cgroup.ts";
import { resolvingUpload } from "../../schema/pipeline/parse/uploaded_jobs.ts";
import type { ResolvedPipeline } from "../../schema/pipeline/resolve/resolved.ts";
import { runFacts } from "../../schema/pipeline/resolve/run_facts.ts";
import { type Circumstances, decide, expand } from "../../schema/pipeline/runtime/decide.ts";
import type { SettledJob } from "../../schema/pipeline/runtime/settle.ts";
import { doneAtOnce } from "../../schema/pipeline/syntax/sliced_work.ts";
import { firstUnmetRequirement } from "../../schema/pipeline/validate/requirements.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { RUN_TIMED_OUT } from "../../schema/wire/reasons.ts";
import type { Reason } from "../../schema/wire/states.ts";
import { LOCAL_EVENT, type LocalHost, runAttempt } from "./local_attempt.ts";
import type { LocalCaches } from "./local_caches.ts";
import { LocalCoordinator } from "./local_coordinator.ts";
import {
	addLocalJobs,
	ancestorsOf,
	endedJob,
	endJob,
	failFast,
	fetchesOf,
	isChosen,
	jobsOf,
	type LocalJob,
	nextJob,
	replaceJob,
} from "./local_job.ts";

/** A pipeline on this machine alone: its jobs run one after the other, by the agent's own code. */

/** The project of every run here. */
const LOCAL_PROJECT = "local";

interface LocalOptions {
	pipeline: ResolvedPipeline;
	/** Only this job, as if all jobs that it needs had succeeded; null: all jobs. */
	only: string | null;
	/** The source, as a tar archive. */
	source: Uint8Array;
	/** The folder of everything temporary. */
	folder: string;
	/** The folder for saved artifacts, with a folder for each job. */
	artifacts: string;
	/** The caches of this user. */
	caches: LocalCaches;
	version: string;
	/** Values of secrets by their names. */
	secrets: LocalHost["secrets"];
	containers: LocalHost["containers"];
	/** Whether jobs that need an approval run. */
	approve: boolean;
	signal: AbortSignal;
	/** Called with each part of a job's log. */
	onText(job: string, text: Uint8Array): void;
	/** Called when a job has ended. */
	onEnd(job: LocalJob): void;
}

/**
 * Runs the jobs in an order in which each comes after the jobs that it needs.
 * @returns the jobs as they ended
 */
export async function runLocally(options: LocalOptions): Promise<LocalJob[]> {
	const { pipeline, folder } = options;
	const jobs = jobsOf(pipeline);
	const chosen = jobs.filter(({ definition }) => isChosen(definition, options.only));
	if (options.only !== null) for (const job of jobs) if (!chosen.includes(job)) job.state = "succeeded";
	const info = new AgentInfo({ slots: 1, labels: [], workDir: folder, probes: {} }, options.version, false);
	await info.detect();
	const containerLabel = `windlass.agent=exec-${randomBytes(6).toString("hex")}`;
	const coordinator = new LocalCoordinator(options.artifacts, options.source, options.caches);
	const host: LocalHost = {
		pipeline,
		folder,
		secrets: options.secrets,
		containers: options.containers,
		coordinator,
		info,
		containerLabel,
		cgroups: Cgroups.open(folder),
		// They are in a folder of this user already: a second copy is of no use.
		caches: openCaches(coordinator, path.join(folder, "caches"), 0),
	};
	const uploads = new Map<string, string[]>();
	const timeout = new AbortController();
	const timer = pipeline.timeout_ms === null ? undefined : setTimeout(() => timeout.abort(), pipeline.timeout_ms);
	try {
		for (let next = nextJob(chosen); next; next = nextJob(chosen)) {
			if (next.definition.expansion !== null && expandHere(next, options, [jobs, chosen])) continue;
			await runJob(next, options, { host, jobs, chosen, timeout: timeout.signal, uploads });
			options.onEnd(next);
			for (const skipped of failFast(next, chosen, pipeline)) options.onEnd(skipped);
		}
	} finally {
		clearTimeout(timer);
		await removeLabelled(containerLabel);
	}
	return chosen;
}

interface LocalRun {
	host: LocalHost;
	/** All jobs of the pipeline. */
	jobs: LocalJob[];
	/** The jobs that run. */
	chosen: LocalJob[];
	/** The names of the jobs that were added, by the job that uploaded them and its text. */
	uploads: Map<string, string[]>;
	/** Aborted when the run times out. */
	timeout: AbortSignal;
}

/** What the expressions of a job can use. */
function circumstancesOf(job: LocalJob, pipeline: ResolvedPipeline): Circumstances {
	return {
		pipeline,
		run: runFacts(pipeline, LOCAL_PROJECT, LOCAL_EVENT),
		needs: job.needs.map((need) => endedJob(need, job)),
		ancestors: () => ancestorsOf(job).map((ancestor) => endedJob(ancestor, job)),
	};
}

/**
 * Makes the matrix jobs of a job whose matrix comes from outputs.
 * @returns false if it is not to run, or has ended because there is no matrix
 */
function expandHere(job: LocalJob, { pipeline, onEnd }: LocalOptions, lists: readonly LocalJob[][]): boolean {
	const circumstances = circumstancesOf(job, pipeline);
	if (decide(job.definition, circumstances).is !== "ready") return false;
	const expansion = expand(job.definition, circumstances);
	if ("jobs" in expansion) replaceJob(job, expansion.jobs, lists);
	else {
		endJob(job, "errored", { code: "config_invalid", text: `The matrix cannot be made of the outputs: ${expansion.problem}` });
		onEnd(job);
	}
	return true;
}

async function runJob(job: LocalJob, options: LocalOptions, run: LocalRun): Promise<void> {
	const { pipeline, signal } = options;
	const { host, timeout } = run;
	if (signal.aborted) return endJob(job, "cancelled", { code: "cancelled", text: "Cancelled." });
	if (timeout.aborted) return endJob(job, "cancelled", RUN_TIMED_OUT);
	const decision = decide(job.definition, circumstancesOf(job, pipeline));
	if (decision.is === "skipped") return endJob(job, "skipped", decision.reason);
	if (decision.is === "broken") return endJob(job, "errored", decision.reason);
	if (decision.is === "waiting") throw new Error("a job waits for one that has ended");
	if (job.definition.approval && !options.approve)
		return endJob(job, "skipped", { code: "approval", text: "It waits for an approval. Use --approve to run it." });
	const problem = await obstacle(decision.job, options, run);
	if (problem) return endJob(job, "errored", problem);
	host.coordinator.begin({
		folder: job.folder,
		fetches: fetchesOf(decision.job, run.jobs).map((one) => ({ ...one, job: one.job.definition.name, folder: one.job.folder })),
		needed: ancestorsOf(job).map(({ definition: { key, name }, folder }) => ({ key, name, folder })),
		addJobs: (text) => addHere(job, text, options, run),
	});
	const onText = (text: Uint8Array) => options.onText(decision.job.name, text);
	const result = await runAttempt(host, decision.job, AbortSignal.any([signal, timeout]), onText);
	job.exitCode = result.exit_code;
	job.outputs = result.outputs;
	const hasTimedOut = result.state === "cancelled" && !signal.aborted;
	endJob(job, result.state, hasTimedOut ? RUN_TIMED_OUT : result.reason);
}

/** Adds the jobs of an upload to the run, once. @throws ApiError for a text that is not valid */
function addHere({ definition }: LocalJob, text: string, { pipeline, only }: LocalOptions, { jobs, chosen, uploads }: LocalRun): string[] {
	const upload = JSON.stringify([definition.key, text]);
	const known = uploads.get(upload);
	if (known) return known;
	if (only !== null)
		throw new ApiError("conflict", "One job runs here alone: no job is added.", {
			suggestions: ["Run the whole pipeline: windlass exec."],
		});
	const present = { ...pipeline, jobs: jobs.map((job) => job.definition) };
	const added = addLocalJobs(jobs, doneAtOnce(resolvingUpload(text, { pipeline: present, project: LOCAL_PROJECT, event: LOCAL_EVENT })));
	chosen.push(...added);
	const names = added.map((job) => job.definition.name);
	uploads.set(upload, names);
	return names;
}

/** The reason for which this machine cannot run a job; null if it can. */
async function obstacle(job: SettledJob, options: LocalOptions, { host, jobs, chosen }: LocalRun): Promise<Reason | null> {
	// Labels choose a machine; here there is only one.
	const unmet = firstUnmetRequirement({ ...job.runs_on, labels: [] }, await host.info.offering());
	if (unmet !== null) return { code: "agent_unsuitable", text: `This machine ${unmet}.` };
	const missing = Object.values(job.secrets).filter((name) => options.secrets[name] === undefined);
	if (missing.length > 0)
		return { code: "secret_unavailable", text: `There is no secret ${missing.join(", ")}. Set it in the file of --secrets.` };
	const absent = fetchesOf(job, jobs).filter((one) => !chosen.includes(one.job));
	if (absent.length === 0) return null;
	const names = [...new Set(absent.map((one) => one.job.definition.name))].join(", ");
	return { code: "artifacts_unavailable", text: `It fetches files of ${names}, which does not run here. Run the whole pipeline.` };
}
