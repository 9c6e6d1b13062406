import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import path from "node:path";
import type { AgentCaches } from "../../agent/caches/agent_caches.ts";
import { makeAttemptFolders } from "../../agent/execution/attempt_folders.ts";
import { inheritedEnvironment, inheritedInContainers } from "../../agent/execution/environment.ts";
import { writeJobCommand } from "../../agent/execution/job_command/job_command.ts";
import { JobRun } from "../../agent/execution/job_run.ts";
import { SpoolBudget } from "../../agent/log/spool_budget.ts";
import type { AgentInfo } from "../../agent/machine/agent_info.ts";
import type { readContainerOptions } from "../../agent/options.ts";
import type { Cgroups } from "../../agent/processes/cgroup.ts";
import type { JobResult } from "../../agent/protocol/job.ts";
import type { ResolvedPipeline } from "../../schema/pipeline/resolve/resolved.ts";
import type { SettledJob } from "../../schema/pipeline/runtime/settle.ts";
import { LogFormatter } from "../../schema/text/log_formatter.ts";
import { DEFAULT_MAX_LOG_BYTES, MAX_LOG_CHUNK_BYTES } from "../../schema/wire/limits.ts";
import type { Assignment } from "../../schema/wire/protocol.ts";
import type { LocalCoordinator } from "./local_coordinator.ts";

/** One job on this machine, run by the agent's own code. */

export const LOCAL_EVENT = "exec";
const KILL_GRACE_MS = 10_000;
const SPOOL_BYTES = 1024 ** 3;

/** What all attempts of one `windlass exec` share. */
export interface LocalHost {
	pipeline: ResolvedPipeline;
	/** The folder of everything temporary. */
	folder: string;
	/** Values of secrets by their names. */
	secrets: Readonly<Record<string, string>>;
	/** The resources of this machine that containers may use. */
	containers: ReturnType<typeof readContainerOptions>;
	coordinator: LocalCoordinator;
	info: AgentInfo;
	/** Marks the containers of this command. */
	containerLabel: string;
	cgroups: Cgroups | null;
	caches: AgentCaches;
}

/** Runs a job to its end. @param onText called with each part of the job's log */
export async function runAttempt(
	host: LocalHost,
	settled: SettledJob,
	signal: AbortSignal,
	onText: (text: Uint8Array) => void,
): Promise<JobResult> {
	const assignment = assignmentOf(host, settled);
	const folder = path.join(host.folder, assignment.attempt_id);
	makeAttemptFolders(folder, assignment);
	writeJobCommand(path.join(host.folder, "bin"));
	const cgroup = host.cgroups?.create(assignment.attempt_id) ?? null;
	const run = await JobRun.prepare({
		assignment,
		folder,
		commands: path.join(host.folder, "bin"),
		environment: inheritedEnvironment(process.env, []),
		containerEnvironment: inheritedInContainers(process.env, []),
		checkoutEnvironment: inheritedEnvironment(process.env, []),
		mirrors: path.join(host.folder, "mirrors"),
		caches: host.caches,
		cgroup,
		starter: null,
		leaveCgroup: async () => cgroup?.remove(),
		client: host.coordinator,
		token: "local",
		killGraceMs: KILL_GRACE_MS,
		budget: new SpoolBudget(SPOOL_BYTES),
		maxLogBytes: DEFAULT_MAX_LOG_BYTES,
		now: Date.now,
		offering: () => host.info.offering(),
		containerLabel: host.containerLabel,
		containerLimits: host.containers,
		registryCredentials: host.containers.registryCredentials,
	});
	const onAbort = () => run.stop("cancelled");
	signal.addEventListener("abort", onAbort, { once: true });
	if (signal.aborted) onAbort();
	const log = printLog(run, onText);
	const result = await run.run();
	await log.end();
	signal.removeEventListener("abort", onAbort);
	const files = result.artifacts.filter(({ kind }) => kind === "file");
	host.coordinator.saveFiles(
		files.map(({ path: name, size, sha256, executable }) => ({ path: name, size, sha256, executable: executable ?? false })),
	);
	// The next job, or the next command, may want them. Ctrl-C ends this.
	const onInterrupt = () => void host.caches.saves.stop();
	signal.addEventListener("abort", onInterrupt, { once: true });
	await host.caches.saves.end();
	signal.removeEventListener("abort", onInterrupt);
	await run.close();
	await rm(folder, { recursive: true, force: true });
	return result;
}

/** The assignment that an agent would get for this job. */
function assignmentOf({ pipeline, secrets }: LocalHost, job: SettledJob): Assignment {
	const id = `att_${randomBytes(13).toString("hex").toUpperCase()}`;
	return {
		attempt_id: id,
		number: 1,
		ttl_ms: 0,
		run: { id: "run_local", number: 1, project: "local", url: "", event: LOCAL_EVENT, pull_request: null },
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
		finally: job.finally,
		values: job.values,
		container: job.container,
		services: job.services,
		outputs: job.outputs,
		reports: job.reports,
		caches: job.caches,
		build_cache: null,
		discovery: null,
		lists_refs: false,
		source: { upload: "this folder" },
		artifacts: { save: job.artifacts.save, entries: job.artifacts.entries, fetch: [...new Set(job.artifacts.fetch.map(({ key }) => key))] },
	};
}

/** Passes on a log as it grows, without the time stamps of its lines. */
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
