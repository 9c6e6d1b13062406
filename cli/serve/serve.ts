import { Command, Option } from "commander";
import { formatBytes, parseBytes } from "../../schema/wire/bytes.ts";
import { formatDuration, parseDuration } from "../../schema/wire/duration.ts";
import { renewTimeoutFor, shortestLease } from "../../schema/wire/lease_rule.ts";
import { LOG_LEVELS, type LogLevel } from "../../schema/wire/log_levels.ts";
import { parsePublicUrl } from "../../schema/wire/public_url.ts";
import { defaultDataFolder } from "../callers_folder.ts";
import { DEFAULT_SERVER } from "../connection.ts";
import { Coordinator, type Limits, type QueueTimes } from "../coordinator/coordinator.ts";
import { DataFolder, parseMasterKey } from "../coordinator/data_folder.ts";
import { parseFreeSpace } from "../coordinator/disk_space.ts";
import { exampleSubmission } from "../coordinator/example.ts";
import { Log } from "../coordinator/json_log.ts";
import { LocalAgent } from "../coordinator/local_agent.ts";
import { isNetwork, listed, NAMED_NETWORKS } from "../coordinator/networks.ts";
import { parseOutbound } from "../coordinator/outbound.ts";
import { ownSecret } from "../own_secrets.ts";
import { UsageError } from "../usage_error.ts";

const LEAST_LOG_LIMIT = 64 * 1024;
const MOST_LOG_LIMIT = 16 * 1024 ** 3;

interface ServeFlags {
	host: string;
	port: string;
	data: string;
	publicUrl?: string;
	trustedProxies: string;
	agent: boolean;
	agentSlots: string;
	leaseTtl: string;
	renewInterval: string;
	killGrace: string;
	logLimit: string;
	keepRuns: string;
	keepLogs: string;
	keepArtifacts: string;
	minFreeDisk: string;
	allowOutbound: string;
	logLevel: LogLevel;
}

/** `windlass serve`: the coordinator, and an agent beside it. */
export function serveCommand(setExitCode: (code: number) => void): Command {
	const option = (flags: string, description: string, variable: string, fallback?: string) =>
		new Option(flags, description).env(variable).default(fallback);
	return new Command("serve")
		.description("Run the coordinator, and an agent beside it.")
		.addOption(option("--host <address>", "where to listen", "WINDLASS_HOST", "127.0.0.1"))
		.addOption(option("--port <n>", "the port; 0 for any", "WINDLASS_PORT", "7070"))
		.addOption(option("--data <folder>", "all state is kept here", "WINDLASS_DATA", defaultDataFolder()))
		.addOption(option("--public-url <url>", "the address that links use", "WINDLASS_PUBLIC_URL"))
		.addOption(
			option(
				"--trusted-proxies <list>",
				"proxies whose X-Forwarded-For and X-Forwarded-Proto count: loopback, private, addresses, networks",
				"WINDLASS_TRUSTED_PROXIES",
				"",
			),
		)
		.addOption(new Option("--no-agent", "run no agent here (WINDLASS_NO_AGENT=true)"))
		.addOption(option("--agent-slots <n>", "how many jobs the agent here runs at once", "WINDLASS_AGENT_SLOTS", "2"))
		.addOption(option("--lease-ttl <duration>", "how long a silent agent keeps its jobs", "WINDLASS_LEASE_TTL", "60s"))
		.addOption(option("--renew-interval <duration>", "how often agents renew", "WINDLASS_RENEW_INTERVAL", "10s"))
		.addOption(option("--kill-grace <duration>", "from SIGTERM to SIGKILL", "WINDLASS_KILL_GRACE", "10s"))
		.addOption(option("--log-limit <size>", "the longest log of a job", "WINDLASS_LOG_LIMIT", "64MiB"))
		.addOption(option("--keep-runs <duration>", "for how long runs are kept", "WINDLASS_KEEP_RUNS", "90d"))
		.addOption(option("--keep-logs <duration>", "for how long their logs are kept", "WINDLASS_KEEP_LOGS", "30d"))
		.addOption(option("--keep-artifacts <duration>", "for how long their artifacts are kept", "WINDLASS_KEEP_ARTIFACTS", "14d"))
		.addOption(
			option("--min-free-disk <share>", "below this, in percent or as a size, nothing new is accepted", "WINDLASS_MIN_FREE_DISK", "5%"),
		)
		.addOption(
			option(
				"--allow-outbound <list>",
				"which servers may be told of runs: external, private, loopback, none, names, addresses, networks",
				"WINDLASS_ALLOW_OUTBOUND",
				"external",
			),
		)
		.addOption(option("--log-level <level>", "what is logged", "WINDLASS_LOG_LEVEL", "info").choices(LOG_LEVELS))
		.addHelpText(
			"after",
			"\nExample:\n  windlass serve\n  windlass serve --host 0.0.0.0 --public-url https://ci.example.com --data /var/lib/windlass --no-agent",
		)
		.action(async (flags: ServeFlags) => setExitCode(await serve(flags)));
}

async function serve(flags: ServeFlags): Promise<number> {
	const trustedProxies = networks("--trusted-proxies", flags.trustedProxies);
	const port = wholeNumber("--port", flags.port, 0, 65_535);
	const slots = wholeNumber("--agent-slots", flags.agentSlots, 1, 1000);
	const times = queueTimes(flags);
	const limits = limitsOf(flags);
	const outbound = parseOutbound(flags.allowOutbound);
	const log = new Log(flags.logLevel);
	const publicUrl = publicAddress(flags.publicUrl);
	const adminToken = presetToken(ownSecret("WINDLASS_ADMIN_TOKEN"));
	const stop = stopSignals();
	const data = DataFolder.open(flags.data);
	try {
		const masterKey = masterKeyOf(data);
		const coordinator = await Coordinator.start({
			host: flags.host,
			port,
			publicUrl,
			trustedProxies,
			adminToken,
			masterKey,
			times,
			limits,
			outbound,
			data,
			log,
			logLevel: flags.logLevel,
		});
		// Only if it was this very key that nothing is encrypted with any more.
		if (coordinator.hasRotated && masterKey.before === data.masterKeyBefore) data.forgetMasterKeyBefore();
		try {
			greet(coordinator, flags, publicUrl);
			await work(
				coordinator,
				data,
				{ slots: flags.agent && !isNoAgent(process.env.WINDLASS_NO_AGENT) ? slots : 0, isExample: data.isNew },
				stop,
			);
		} finally {
			await coordinator.stop();
		}
	} finally {
		data.close();
	}
	return 0;
}

/** The master key of the environment, or else that of the data folder; and the one before it, if secrets may be encrypted with that one. */
function masterKeyOf(data: DataFolder): { present: string; before: string | null } {
	const [given, before] = [ownSecret("WINDLASS_MASTER_KEY"), ownSecret("WINDLASS_MASTER_KEY_BEFORE")];
	const inFolder = { present: data.masterKey, before: data.masterKeyBefore };
	if (before && !given) throw new UsageError("WINDLASS_MASTER_KEY_BEFORE is of use only beside WINDLASS_MASTER_KEY");
	if (!given) return inFolder;
	const present = parseMasterKey(given, "WINDLASS_MASTER_KEY");
	return {
		present,
		before: before ? parseMasterKey(before, "WINDLASS_MASTER_KEY_BEFORE") : present === inFolder.present ? inFolder.before : null,
	};
}

/** Serves until the first signal; then lets the agent here finish, or end what runs at a second one. */
async function work(
	coordinator: Coordinator,
	data: DataFolder,
	{ slots, isExample }: { slots: number; isExample: boolean },
	stop: StopSignals,
): Promise<void> {
	const server = coordinator.localUrl;
	const agent =
		slots > 0
			? LocalAgent.start({ folder: data.agentFolder, server, slots, registrationToken: () => coordinator.registrationToken() })
			: null;
	try {
		if (isExample && agent) await Promise.race([runExample(coordinator, data), stop.first]);
		await stop.first;
		// Agents elsewhere must hear of it even if this process is not given the time that the agent here may need.
		await coordinator.announceStop();
	} finally {
		agent?.drain();
		void stop.second.then(() => agent?.drain());
		await agent?.ended;
	}
}

function isNoAgent(text: string | undefined): boolean {
	if (text === undefined || ["0", "false", "no"].includes(text)) return false;
	if (["1", "true", "yes"].includes(text)) return true;
	throw new UsageError(`WINDLASS_NO_AGENT must be true or false, not ${text}`);
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
	const value = Number(text);
	if (/^\d+$/.test(text) && value >= least && value <= most) return value;
	throw new UsageError(`${name} must be a whole number from ${least} to ${most}, not ${text}`);
}

/** @throws UsageError for an address that cannot be the coordinator's */
function publicAddress(text: string | undefined): string | null {
	if (text === undefined) return null;
	const parsed = parsePublicUrl(text);
	if ("fault" in parsed) throw new UsageError(`--public-url ${parsed.fault}`);
	return parsed.url;
}

/** @throws UsageError for what is no word, address or network */
function networks(flag: string, text: string): string[] {
	return listed(text).flatMap((one): readonly string[] => {
		if (one === "loopback" || one === "private") return NAMED_NETWORKS[one];
		if (isNetwork(one)) return [one];
		throw new UsageError(`${flag}: ${one} is not loopback, private, an address (10.0.0.1) or a network (10.0.0.0/8)`);
	});
}

function presetToken(token: string | undefined): string | null {
	if (!token) return null;
	// A shorter one than is asked for today may be in use since an earlier version.
	if (/^\S{16,200}$/.test(token)) return token;
	throw new UsageError("WINDLASS_ADMIN_TOKEN must have 32 to 200 characters and no blanks");
}

/** @throws UsageError if leases could expire under an agent that does everything right */
function queueTimes(flags: ServeFlags): QueueTimes {
	const times: QueueTimes = {
		leaseTtlMs: duration("--lease-ttl", flags.leaseTtl),
		renewMs: duration("--renew-interval", flags.renewInterval),
		killGraceMs: duration("--kill-grace", flags.killGrace),
	};
	const least = shortestLease({ ...times, renewTimeoutMs: renewTimeoutFor(times.renewMs) });
	if (times.leaseTtlMs < least) {
		throw new UsageError(
			`--lease-ttl ${flags.leaseTtl} is too short: with this renewal interval and kill grace it must be at least ${formatDuration(least)}`,
		);
	}
	return times;
}

function duration(name: string, text: string): number {
	const ms = parseDuration(text);
	if (ms) return ms;
	throw new UsageError(`${name} must be a duration like 60s or 30d, not ${text}`);
}

function limitsOf(flags: ServeFlags): Limits {
	const maxLogBytes = parseBytes(flags.logLimit);
	if (maxLogBytes === null || maxLogBytes < LEAST_LOG_LIMIT || maxLogBytes > MOST_LOG_LIMIT)
		throw new UsageError(
			`--log-limit must be a size from ${formatBytes(LEAST_LOG_LIMIT)} to ${formatBytes(MOST_LOG_LIMIT)}, such as 64MiB, not ${flags.logLimit}`,
		);
	const freeDisk = parseFreeSpace(flags.minFreeDisk);
	if (freeDisk === null) throw new UsageError(`--min-free-disk must be a share like 5% or a size like 10GiB, not ${flags.minFreeDisk}`);
	return {
		maxLogBytes,
		keepRunsMs: duration("--keep-runs", flags.keepRuns),
		keepLogsMs: duration("--keep-logs", flags.keepLogs),
		keepArtifactsMs: duration("--keep-artifacts", flags.keepArtifacts),
		freeDisk,
	};
}

/** What a person needs to know now that it serves. */
function greet(coordinator: Coordinator, { host }: ServeFlags, publicUrl: string | null): void {
	const bold = (text: string) => (process.stdout.isTTY ? `\x1b[1m${text}\x1b[0m` : text);
	const say = (label: string, text: string) => process.stdout.write(`  ${label.padEnd(12)} ${text}\n`);
	process.stdout.write(`\n${bold("Windlass is ready.")}\n\n`);
	const [others, signIn] = [coordinator.otherUrls, new URL(coordinator.signInUrl)];
	say("status page", bold(coordinator.url));
	for (const other of others) say("", other);
	if (publicUrl === null) say("links", `${coordinator.url}/…   (in commit statuses; --public-url sets an address that others reach)`);
	say("sign in", `${coordinator.signInUrl}   (once, within 10 minutes)`);
	for (const other of others) say("", other + signIn.pathname + signIn.search);
	if (coordinator.newAdminToken)
		say("admin token", `${coordinator.newAdminToken}   (shown once; windlass token reset-admin makes another)`);
	const lines = [
		...(coordinator.localUrl === DEFAULT_SERVER ? [] : [`export WINDLASS_SERVER=${coordinator.localUrl}`]),
		...(coordinator.newAdminToken ? [`export WINDLASS_API_TOKEN=${coordinator.newAdminToken}`] : []),
		`${programName()} run --no-source 'echo hello from $(hostname)'`,
	];
	process.stdout.write(`\n  Try it in another terminal:\n\n${lines.map((line) => `  ${line}\n`).join("")}\n`);
	if (!["127.0.0.1", "::1", "localhost"].includes(host) && !coordinator.url.startsWith("https:")) {
		process.stderr.write(
			"windlass: this listens beyond this machine without TLS: tokens cross the network in clear. Put a TLS proxy in front and set --public-url.\n",
		);
	}
}

/** How a person calls this program: started by npm in a working copy, it is not on the PATH. */
function programName(): string {
	return process.env.npm_lifecycle_event === "start" ? "npm run --silent windlass --" : "windlass";
}

/** The first and the second signal to stop. */
interface StopSignals {
	first: Promise<void>;
	second: Promise<void>;
}

function stopSignals(): StopSignals {
	let count = 0;
	let onFirst: () => void;
	let onSecond: () => void;
	const first = new Promise<void>((resolve) => {
		onFirst = resolve;
	});
	const second = new Promise<void>((resolve) => {
		onSecond = resolve;
	});
	for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
		process.on(signal, () => {
			count += 1;
			if (count === 1) onFirst();
			else onSecond();
		});
	}
	return { first, second };
}

/** The first thing that a newcomer sees: a run of the bundled example. That it cannot run is no reason not to serve. */
async function runExample(coordinator: Coordinator, data: DataFolder): Promise<void> {
	try {
		const runId = await coordinator.submit(await exampleSubmission(data.exampleRepository));
		process.stdout.write(`  The bundled example runs now: ${coordinator.url}/runs/${runId}\n\n`);
		await coordinator.copy(`/api/v1/runs/${runId}/log`, process.stdout);
	} catch (error) {
		process.stderr.write(`windlass: the example could not be run: ${(error as Error).message}\n`);
	}
}
