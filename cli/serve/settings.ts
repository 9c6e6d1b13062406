import { statSync } from "node:fs";
import path from "node:path";
import { formatBytes, parseBytes } from "../../schema/wire/bytes.ts";
import { formatDuration, parseDuration } from "../../schema/wire/duration.ts";
import { renewTimeoutFor, shortestLease } from "../../schema/wire/lease_rule.ts";
import { LEAST_LOG_LIMIT } from "../../schema/wire/limits.ts";
import type { LogLevel } from "../../schema/wire/log_levels.ts";
import { parsePublicUrl } from "../../schema/wire/public_url.ts";
import { parseRateLimits } from "../../schema/wire/rate_limits.ts";
import { LEAST_PASSPHRASE } from "../backup/manifest.ts";
import type { BackupSchedule } from "../backup/schedule.ts";
import { type DataFolder, parseMasterKey, readMasterKey } from "../coordinator/data_folder.ts";
import { parseFreeSpace } from "../coordinator/disk_space.ts";
import { isNetwork, listed, NAMED_NETWORKS } from "../coordinator/networks.ts";
import type { Limits, MasterKeys, MetricsAccess, QueueTimes } from "../coordinator/options.ts";
import { type OutboundRules, parseOutbound } from "../coordinator/outbound.ts";
import { ownSecret } from "../own_secrets.ts";
import { UsageError } from "../usage_error.ts";

const MOST_LOG_LIMIT = 16 * 1024 ** 3;

/** The options of `windlass serve` as texts. */
export interface ServeFlags {
	host: string;
	port: string;
	data: string;
	publicUrl?: string;
	trustedProxies?: string;
	agent: boolean;
	agentSlots: string;
	leaseTtl: string;
	renewInterval: string;
	killGrace: string;
	logLimit: string;
	keepRuns: string;
	keepLogs: string;
	keepArtifacts: string;
	keepCaches: string;
	keepAudit: string;
	cacheQuota: string;
	cacheTotal: string;
	minFreeDisk: string;
	allowOutbound: string;
	rateLimits?: string;
	corsOrigins?: string;
	maxJobTime?: string;
	openMetrics?: boolean;
	backupTo?: string;
	backupEvery: string;
	backupKeep: string;
	logLevel: LogLevel;
}

/** The validated settings of `windlass serve`, but for those that the data folder has. */
export interface ServeSettings {
	host: string;
	port: number;
	publicUrl: string | null;
	trustedProxies: readonly string[];
	adminToken: string | null;
	times: QueueTimes;
	limits: Limits;
	outbound: OutboundRules;
	/** As `parseRateLimits` reads it. */
	rateLimits: string;
	corsOrigins: readonly string[];
	metrics: MetricsAccess;
	/** Null: no backups are made. */
	backups: BackupSchedule | null;
	/** How many jobs the agent beside the coordinator runs at once; 0: there is none. */
	agentSlots: number;
}

/** @throws UsageError for the first setting that is wrong */
export function readSettings(flags: ServeFlags): ServeSettings {
	const trustedProxies = networks("--trusted-proxies", flags.trustedProxies ?? "");
	const port = wholeNumber("--port", flags.port, 0, 65_535);
	const slots = wholeNumber("--agent-slots", flags.agentSlots, 1, 1000);
	return {
		host: flags.host,
		port,
		trustedProxies,
		times: queueTimes(flags),
		limits: limitsOf(flags),
		outbound: parseOutbound(flags.allowOutbound),
		rateLimits: rateLimits(flags.rateLimits ?? ""),
		corsOrigins: listed(flags.corsOrigins ?? "").map(origin),
		publicUrl: publicAddress(flags.publicUrl),
		backups: backupsOf(flags),
		metrics: {
			isOpen: flags.openMetrics === true || isSet("WINDLASS_OPEN_METRICS"),
			token: metricsToken(ownSecret("WINDLASS_METRICS_TOKEN")),
		},
		adminToken: presetToken(ownSecret("WINDLASS_ADMIN_TOKEN")),
		agentSlots: flags.agent && !isSet("WINDLASS_NO_AGENT") ? slots : 0,
	};
}

/**
 * The master key of the environment or else of the data folder, and the former one while it may
 * still be needed.
 */
export function masterKeysOf(data: DataFolder): MasterKeys {
	const [given, former] = [ownSecret("WINDLASS_MASTER_KEY"), ownSecret("WINDLASS_MASTER_KEY_BEFORE")];
	if (former && !given) throw new UsageError("WINDLASS_MASTER_KEY_BEFORE needs WINDLASS_MASTER_KEY. Set both, or neither.");
	if (!given) return { present: data.masterKey, former: data.formerMasterKey };
	const present = parseMasterKey(given, "WINDLASS_MASTER_KEY");
	if (former) return { present, former: parseMasterKey(former, "WINDLASS_MASTER_KEY_BEFORE") };
	return { present, former: present === readMasterKey(data.path) ? data.formerMasterKey : null };
}

function isSet(name: string): boolean {
	const text = process.env[name];
	if (text === undefined || ["0", "false", "no"].includes(text)) return false;
	if (["1", "true", "yes"].includes(text)) return true;
	throw new UsageError(`${name} must be true or false, not ${text}`);
}

const LEAST_BACKUP_MS = 60_000;

function backupsOf(flags: ServeFlags): BackupSchedule | null {
	const everyMs = duration("--backup-every", flags.backupEvery);
	if (everyMs < LEAST_BACKUP_MS) throw new UsageError(`--backup-every must be at least 1m, not ${flags.backupEvery}`);
	const keep = wholeNumber("--backup-keep", flags.backupKeep, 1, 10_000);
	if (flags.backupTo === undefined) return null;
	const folder = path.resolve(flags.backupTo);
	if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
		throw new UsageError(`--backup-to ${flags.backupTo} is not a folder. Make it first.`);
	const passphrase = ownSecret("WINDLASS_BACKUP_PASSPHRASE") ?? null;
	if (passphrase !== null && passphrase.length < LEAST_PASSPHRASE)
		throw new UsageError(`WINDLASS_BACKUP_PASSPHRASE must have at least ${LEAST_PASSPHRASE} characters`);
	return { folder, everyMs, keep, passphrase };
}

const LEAST_METRICS_TOKEN = 32;

function metricsToken(text: string | undefined): string | null {
	if (text === undefined) return null;
	if (text.length >= LEAST_METRICS_TOKEN) return text;
	throw new UsageError(`WINDLASS_METRICS_TOKEN must have at least ${LEAST_METRICS_TOKEN} characters. Make one with: openssl rand -hex 24`);
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
	const value = Number(text);
	if (/^\d+$/.test(text) && value >= least && value <= most) return value;
	throw new UsageError(`${name} must be a whole number from ${least} to ${most}, not ${text}`);
}

function publicAddress(text: string | undefined): string | null {
	if (text === undefined) return null;
	const parsed = parsePublicUrl(text);
	if ("error" in parsed) throw new UsageError(`--public-url ${parsed.error}`);
	return parsed.url;
}

function networks(flag: string, text: string): string[] {
	return listed(text).flatMap((one): readonly string[] => {
		if (one === "loopback" || one === "private") return NAMED_NETWORKS[one];
		if (isNetwork(one)) return [one];
		throw new UsageError(`${flag}: "${one}" is not a valid entry. Use loopback, private, an address (10.0.0.1) or a network (10.0.0.0/8).`);
	});
}

function rateLimits(text: string): string {
	const parsed = parseRateLimits(text);
	if ("error" in parsed) throw new UsageError(`--rate-limits: ${parsed.error}`);
	return text;
}

/** An origin as browsers write it. */
function origin(text: string): string {
	const url = /^https?:/.test(text) ? URL.parse(text) : null;
	if (url?.origin === text) return text;
	const advice = url === null ? "Write it like https://app.example.com" : `Write it as ${url.origin}`;
	throw new UsageError(`--cors-origins: "${text}" is not an origin. ${advice}.`);
}

function presetToken(token: string | undefined): string | null {
	if (!token) return null;
	// A shorter token than today's minimum may be in use since an earlier version.
	if (/^\S{16,200}$/.test(token)) return token;
	throw new UsageError("WINDLASS_ADMIN_TOKEN must have 32 to 200 characters and no spaces");
}

/** @throws UsageError if leases could expire while an agent renews as it should */
function queueTimes(flags: ServeFlags): QueueTimes {
	const times: QueueTimes = {
		leaseTtlMs: duration("--lease-ttl", flags.leaseTtl),
		renewMs: duration("--renew-interval", flags.renewInterval),
		killGraceMs: duration("--kill-grace", flags.killGrace),
	};
	const least = shortestLease({ ...times, renewTimeoutMs: renewTimeoutFor(times.renewMs) });
	if (times.leaseTtlMs < least) {
		throw new UsageError(
			`--lease-ttl ${flags.leaseTtl} is too short: with this --renew-interval and --kill-grace it must be at least ${formatDuration(least)}`,
		);
	}
	return times;
}

function duration(name: string, text: string): number {
	const ms = parseDuration(text);
	if (ms) return ms;
	throw new UsageError(`${name} must be a duration like 60s or 30d, not ${text}`);
}

function size(name: string, text: string): number {
	const bytes = parseBytes(text);
	if (bytes !== null && bytes > 0) return bytes;
	throw new UsageError(`${name} must be a size like 512MiB or 10GiB, not ${text}`);
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
		maxJobMs: flags.maxJobTime === undefined ? null : duration("--max-job-time", flags.maxJobTime),
		keepRunsMs: duration("--keep-runs", flags.keepRuns),
		keepLogsMs: duration("--keep-logs", flags.keepLogs),
		keepArtifactsMs: duration("--keep-artifacts", flags.keepArtifacts),
		keepCachesMs: duration("--keep-caches", flags.keepCaches),
		keepAuditMs: duration("--keep-audit", flags.keepAudit),
		cacheProjectBytes: size("--cache-quota", flags.cacheQuota),
		cacheTotalBytes: size("--cache-total", flags.cacheTotal),
		freeDisk,
	};
}
