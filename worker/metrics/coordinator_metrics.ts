import type { Histogram, Labels, Metric } from "../../schema/text/exposition.ts";
import type { HostFacts, QueueMetrics } from "../bindings.ts";
import { VERSION } from "../platform/version.ts";
import { type Counts, SECONDS } from "../queue/core/counts.ts";
import type { RequestCounts } from "./answered_requests.ts";
import type { BranchState, Probes } from "./probes.ts";
import { REQUEST_SECONDS } from "./request_counts.ts";

/** The metrics of a coordinator. */

/** What they are made from. */
export interface Sources {
	queues: readonly { team: string; metrics: QueueMetrics }[];
	requests: RequestCounts;
	facts: HostFacts | null;
	probes: Probes;
	branches: readonly BranchState[];
	/** Whether each team's queue answers; those that do not are not among the queues. */
	unreachable: number;
}

export function coordinatorMetrics(sources: Sources): Metric[] {
	return [...queueMetrics(sources.queues), ...recordMetrics(sources), ...requestMetrics(sources.requests), ...hostMetrics(sources)];
}

type Queues = Sources["queues"];

function queueMetrics(queues: Queues): Metric[] {
	const gauge = (name: string, help: string, of: (metrics: QueueMetrics) => readonly (readonly [Labels, number])[]): Metric => ({
		...{ name, help, type: "gauge" },
		values: queues.flatMap(({ team, metrics }) => of(metrics).map(([labels, value]) => [{ team, ...labels }, value] as const)),
	});
	const counter = (name: string, help: string, of: (counts: Counts) => number): Metric => ({
		...{ name, help, type: "counter" },
		values: queues.map(({ team, metrics }) => [{ team }, of(metrics.counts)] as const),
	});
	const byKey = (name: string, help: string, keys: readonly string[], of: (counts: Counts) => Record<string, number>): Metric => ({
		...{ name, help, type: "counter" },
		values: queues.flatMap(({ team, metrics }) =>
			Object.entries(of(metrics.counts)).map(([key, value]) => {
				const parts = key.split(" ");
				return [{ team, ...Object.fromEntries(keys.map((label, at) => [label, parts[at] ?? ""])) }, value] as const;
			}),
		),
	});
	const seconds = (name: string, help: string, of: (counts: Counts) => Record<string, Histogram>): Metric => ({
		...{ name, help, type: "histogram", bounds: SECONDS },
		values: queues.flatMap(({ team, metrics }) =>
			Object.entries(of(metrics.counts)).map(([project, histogram]) => [{ team, project }, histogram] as const),
		),
	});
	return [
		gauge("windlass_queue_jobs", "Jobs that wait for an agent, by the labels that they require.", ({ gauges }) =>
			gauges.queued.map(({ labels, jobs }) => [{ labels }, jobs]),
		),
		gauge("windlass_queue_oldest_seconds", "How long the oldest of these jobs has waited.", ({ gauges }) =>
			gauges.queued.map(({ labels, oldestMs }) => [{ labels }, oldestMs / 1_000]),
		),
		gauge("windlass_queue_agents", "Agents online that have these labels, while jobs wait for them.", ({ gauges }) =>
			gauges.queued.map(({ labels, agents }) => [{ labels }, agents]),
		),
		gauge("windlass_queue_paused", "Whether the queue is paused.", ({ gauges }) => [[{}, Number(gauges.isPaused)]]),
		gauge("windlass_jobs_running", "Jobs that run, or are offered to an agent.", ({ gauges }) => [[{}, gauges.running]]),
		gauge("windlass_runs_live", "Runs that are not over, or not yet copied to D1.", ({ gauges }) => [[{}, gauges.liveRuns]]),
		gauge("windlass_agents", "Agents by status.", ({ gauges }) =>
			Object.entries(gauges.agents).map(([status, count]) => [{ status }, count]),
		),
		gauge("windlass_agents_by_version", "Agents online by version.", ({ gauges }) =>
			Object.entries(gauges.versions).map(([version, count]) => [{ version }, count]),
		),
		gauge("windlass_slots", "Slots of the agents online.", ({ gauges }) => [[{}, gauges.slots.all]]),
		gauge("windlass_slots_free", "Slots without a job.", ({ gauges }) => [[{}, gauges.slots.free]]),
		counter("windlass_offers_total", "Jobs that were offered to an agent.", ({ offers }) => offers),
		counter("windlass_leases_renewed_total", "Leases that agents have renewed.", ({ renewals }) => renewals),
		counter("windlass_leases_lost_total", "Jobs whose agent was lost.", ({ lost }) => lost),
		byKey("windlass_jobs_started_total", "Jobs that began to run.", ["project"], ({ started }) => started),
		byKey("windlass_jobs_ended_total", "Jobs that have ended, by state.", ["project", "state"], ({ ended }) => ended),
		byKey("windlass_runs_ended_total", "Runs that have ended, by state.", ["project", "state"], ({ runsEnded }) => runsEnded),
		seconds(
			"windlass_job_queue_seconds",
			"From the moment when a job waits for an agent until it starts.",
			({ queueSeconds }) => queueSeconds,
		),
		seconds("windlass_job_run_seconds", "From the first start of a job to its end, with its retries.", ({ runSeconds }) => runSeconds),
		counter("windlass_log_bytes_total", "Bytes of the logs of ended jobs.", ({ logBytes }) => logBytes),
		counter("windlass_artifact_bytes_total", "Bytes of saved artifacts.", ({ artifactBytes }) => artifactBytes),
		gauge("windlass_outbox_runs", "Runs with changes that D1 does not have yet.", ({ gauges }) => [[{}, gauges.outbox.waiting]]),
		gauge("windlass_outbox_lag_seconds", "For how long D1 has been behind.", ({ lagMs }) => [[{}, lagMs / 1_000]]),
		gauge("windlass_outbox_dead_rows", "Rows that D1 has rejected.", ({ gauges }) => [[{}, gauges.outbox.dead]]),
		gauge("windlass_effects_waiting", "Statuses, notifications and other effects that are still to happen.", ({ gauges }) => [
			[{}, gauges.effects.waiting],
		]),
		gauge("windlass_schedule_overdue", "Whether a success of a schedule with `expect` is overdue.", ({ gauges }) =>
			gauges.schedules.map(({ id, project, isOverdue }) => [{ project, schedule: id }, Number(isOverdue)]),
		),
		gauge("windlass_effects_dead", "Internal effects that have failed on every try.", ({ gauges }) => [[{}, gauges.effects.dead]]),
	];
}

function recordMetrics({ branches, probes, unreachable }: Sources): Metric[] {
	return [
		{
			...{ name: "windlass_default_branch_failing", type: "gauge" },
			help: "Whether the newest ended run of the default branch of a project has not succeeded.",
			values: branches.map(({ team, project, isFailing }) => [{ team, project }, Number(isFailing)] as const),
		},
		{
			...{ name: "windlass_probe_seconds", type: "gauge" },
			help: "How long a small read of the database (D1) and of the object storage (R2) took at this scrape.",
			values: Object.entries(probes.seconds).map(([target, value]) => [{ target }, value] as const),
		},
		{
			...{ name: "windlass_probe_success", type: "gauge" },
			help: "Whether the database (D1), the object storage (R2) and all queues have answered at this scrape.",
			values: Object.entries({ ...probes.isUp, queues: unreachable === 0 }).map(([target, up]) => [{ target }, Number(up)] as const),
		},
		{
			name: "windlass_database_bytes",
			help: "The size of the database (D1).",
			type: "gauge",
			values: probes.databaseBytes === null ? [] : [[{}, probes.databaseBytes]],
		},
	];
}

function requestMetrics({ answered, seconds }: RequestCounts): Metric[] {
	return [
		{
			...{ name: "windlass_http_requests_total", help: "Requests that were answered, by route and status.", type: "counter" },
			values: Object.entries(answered).map(([key, count]) => {
				const [method = "", route = "", status = ""] = key.split(" ");
				return [{ method, route, status }, count] as const;
			}),
		},
		{
			...{ name: "windlass_http_request_seconds", type: "histogram", bounds: REQUEST_SECONDS },
			help: "How long requests took, of routes that wait for nothing.",
			values: Object.entries(seconds).map(([key, histogram]) => {
				const [method = "", route = ""] = key.split(" ");
				return [{ method, route }, histogram] as const;
			}),
		},
	];
}

function hostMetrics({ facts }: Sources): Metric[] {
	const { disk = null, certificate_expires_at: expiresAt = null, backups = null } = facts ?? {};
	return [
		{ name: "windlass_build_info", help: "The version of the coordinator.", type: "gauge", values: [[{ version: VERSION }, 1]] },
		{
			name: "windlass_disk_free_bytes",
			help: "Free space on the disk of the data folder.",
			type: "gauge",
			values: disk === null ? [] : [[{}, disk.free]],
		},
		{ name: "windlass_disk_bytes", help: "The size of that disk.", type: "gauge", values: disk === null ? [] : [[{}, disk.total]] },
		{
			...{
				name: "windlass_certificate_expires_timestamp_seconds",
				help: "When the certificate of the public address expires.",
				type: "gauge",
			},
			values: expiresAt === null ? [] : [[{}, expiresAt / 1_000]],
		},
		{
			...{ name: "windlass_backup_last_timestamp_seconds", type: "gauge" },
			help: "When the newest backup of --backup-to was made.",
			values: backups === null || backups.last_at === null ? [] : [[{}, backups.last_at / 1_000]],
		},
		{
			...{ name: "windlass_backup_interval_seconds", help: "How often backups are made (--backup-every).", type: "gauge" },
			values: backups === null ? [] : [[{}, backups.every_ms / 1_000]],
		},
	];
}
