import { Command, Option } from "commander";
import { LOG_LEVELS } from "../../schema/wire/log_levels.ts";
import type { BackupSchedule } from "../backup/schedule.ts";
import { defaultDataFolder } from "../callers_folder.ts";
import { Coordinator } from "../coordinator/coordinator.ts";
import { DataFolder } from "../coordinator/data_folder.ts";
import { exampleSubmission } from "../coordinator/example.ts";
import { workersOf } from "../coordinator/host.ts";
import { JsonLog } from "../coordinator/json_log.ts";
import { LocalAgent } from "../coordinator/local_agent.ts";
import type { MasterKeys } from "../coordinator/options.ts";
import { EXIT } from "../exit_codes.ts";
import { masterKeysOf, readSettings, type ServeFlags } from "./settings.ts";
import { type StopSignals, stopSignals } from "./stop_signals.ts";
import { printWelcome } from "./welcome.ts";

/** `windlass serve`: the coordinator, and an agent beside it. */
export function serveCommand(setExitCode: (code: number) => void): Command {
	const option = (flags: string, description: string, variable: string, fallback?: string) =>
		new Option(flags, description).env(variable).default(fallback);
	return new Command("serve")
		.description("Run the coordinator, and an agent beside it.")
		.addOption(option("--host <address>", "the address to listen on", "WINDLASS_HOST", "127.0.0.1"))
		.addOption(option("--port <n>", "the port to listen on; 0 takes any free one", "WINDLASS_PORT", "7070"))
		.addOption(option("--data <folder>", "the folder of all stored data", "WINDLASS_DATA", defaultDataFolder()))
		.addOption(option("--public-url <url>", "the address that links use", "WINDLASS_PUBLIC_URL"))
		.addOption(
			option(
				"--trusted-proxies <list>",
				"proxies whose X-Forwarded-For and X-Forwarded-Proto count: loopback, private, addresses, networks",
				"WINDLASS_TRUSTED_PROXIES",
			),
		)
		.addOption(new Option("--no-agent", "run no agent beside the coordinator (WINDLASS_NO_AGENT=true)"))
		.addOption(option("--agent-slots <n>", "how many jobs the agent beside the coordinator runs at once", "WINDLASS_AGENT_SLOTS", "2"))
		.addOption(option("--lease-ttl <duration>", "how long an agent that does not answer keeps its jobs", "WINDLASS_LEASE_TTL", "60s"))
		.addOption(option("--renew-interval <duration>", "how often agents renew their leases", "WINDLASS_RENEW_INTERVAL", "10s"))
		.addOption(option("--kill-grace <duration>", "the time from SIGTERM to SIGKILL when a job is stopped", "WINDLASS_KILL_GRACE", "10s"))
		.addOption(option("--log-limit <size>", "the greatest size of a job's log", "WINDLASS_LOG_LIMIT", "64MiB"))
		.addOption(option("--max-job-time <duration>", "how long any job may run, whatever its timeout says", "WINDLASS_MAX_JOB_TIME"))
		.addOption(option("--keep-runs <duration>", "how long runs are kept", "WINDLASS_KEEP_RUNS", "90d"))
		.addOption(option("--keep-logs <duration>", "how long logs are kept", "WINDLASS_KEEP_LOGS", "30d"))
		.addOption(option("--keep-artifacts <duration>", "how long artifacts are kept", "WINDLASS_KEEP_ARTIFACTS", "14d"))
		.addOption(option("--keep-caches <duration>", "how long a cache is kept that no job uses", "WINDLASS_KEEP_CACHES", "30d"))
		.addOption(option("--keep-audit <duration>", "how long entries of the audit log are kept", "WINDLASS_KEEP_AUDIT", "365d"))
		.addOption(option("--cache-quota <size>", "how much room the caches of a project may take", "WINDLASS_CACHE_QUOTA", "10GiB"))
		.addOption(option("--cache-total <size>", "how much room all caches may take together", "WINDLASS_CACHE_TOTAL", "50GiB"))
		.addOption(
			option(
				"--min-free-disk <share>",
				"with less free disk space, in percent or as a size, nothing new is accepted",
				"WINDLASS_MIN_FREE_DISK",
				"5%",
			),
		)
		.addOption(
			option(
				"--backup-to <folder>",
				"make backups in this folder, with the keys if WINDLASS_BACKUP_PASSPHRASE is set",
				"WINDLASS_BACKUP_TO",
			),
		)
		.addOption(option("--backup-every <duration>", "how often", "WINDLASS_BACKUP_EVERY", "24h"))
		.addOption(option("--backup-keep <n>", "how many backups are kept", "WINDLASS_BACKUP_KEEP", "7"))
		.addOption(
			option(
				"--allow-outbound <list>",
				"servers that get statuses and notifications: external, private, loopback, none, names, addresses, networks",
				"WINDLASS_ALLOW_OUTBOUND",
				"external",
			),
		)
		.addOption(
			option(
				"--rate-limits <list>",
				"how many requests a caller may send, such as read=600/m,sign-in=10/s,webhooks=off",
				"WINDLASS_RATE_LIMITS",
			),
		)
		.addOption(option("--cors-origins <list>", "origins whose pages may call the API with a token", "WINDLASS_CORS_ORIGINS"))
		.addOption(new Option("--open-metrics", "let everybody who reaches the coordinator read /metrics (WINDLASS_OPEN_METRICS=true)"))
		.addOption(option("--log-level <level>", "the lowest level that is logged", "WINDLASS_LOG_LEVEL", "info").choices(LOG_LEVELS))
		.addHelpText(
			"after",
			"\nExample:\n  windlass serve\n  windlass serve --host 0.0.0.0 --public-url https://ci.example.com \\\n    --data /var/lib/windlass --no-agent",
		)
		.action(async (flags: ServeFlags) => setExitCode(await serve(flags)));
}

async function serve(flags: ServeFlags): Promise<number> {
	const { agentSlots, ...settings } = readSettings(flags);
	const log = new JsonLog(flags.logLevel);
	const stop = stopSignals();
	const data = DataFolder.open(flags.data);
	try {
		const masterKeys = masterKeysOf(data);
		const coordinator = await Coordinator.start({ ...settings, masterKeys, data, log, logLevel: flags.logLevel });
		// The folder's former key may be another one than the environment's.
		if (coordinator.hasRotated && masterKeys.former === data.formerMasterKey) data.deleteFormerMasterKey();
		const backups = settings.backups && (await scheduledBackups(settings.backups, data, masterKeys, log));
		try {
			if (backups) coordinator.reportBackups(() => ({ every_ms: backups.everyMs, last_at: backups.lastAt }));
			printWelcome(coordinator, settings.host, settings.publicUrl);
			await serveUntilStopped(coordinator, data, agentSlots, stop);
		} finally {
			backups?.stop();
			await coordinator.stop();
		}
	} finally {
		data.close();
	}
	return EXIT.succeeded;
}

async function scheduledBackups(schedule: BackupSchedule, data: DataFolder, { present, former }: MasterKeys, log: JsonLog) {
	// Loaded where it is used: most coordinators are backed up from outside.
	const { ScheduledBackups } = await import("../backup/schedule.ts");
	const { passphrase } = schedule;
	const keys = passphrase === null ? null : { master_key: present, master_key_before: former, passphrase };
	const backups = new ScheduledBackups(schedule, { folder: data.path, leftOut: [], keys, workers: () => workersOf(data.path) }, log);
	await backups.start();
	return backups;
}

/**
 * Serves until the first signal. Then the agent beside the coordinator finishes its jobs; a second
 * signal cancels them.
 */
async function serveUntilStopped(coordinator: Coordinator, data: DataFolder, slots: number, stop: StopSignals): Promise<void> {
	const server = coordinator.addresses.local;
	const registrationToken = () => coordinator.registrationToken();
	const agent = slots > 0 ? LocalAgent.start({ folder: data.agentFolder, server, slots, registrationToken }) : null;
	try {
		if (data.isNew && agent) await Promise.race([runExample(coordinator, data), stop.first]);
		await stop.first;
		// Other agents must know even if this process is killed before the local agent has
		// finished.
		await coordinator.announceStop();
	} finally {
		agent?.drain();
		void stop.second.then(() => agent?.drain());
		await agent?.ended;
	}
}

/**
 * Runs the bundled example at the first start. If that fails, the coordinator serves all the same.
 */
async function runExample(coordinator: Coordinator, data: DataFolder): Promise<void> {
	try {
		const runId = await coordinator.submit(await exampleSubmission(data.exampleRepository));
		process.stdout.write(`  The bundled example runs now: ${coordinator.addresses.links}/runs/${runId}\n\n`);
		await coordinator.copy(`/api/v1/runs/${runId}/log`, process.stdout);
	} catch (error) {
		process.stderr.write(`windlass: The bundled example did not run: ${(error as Error).message}\n`);
	}
}
