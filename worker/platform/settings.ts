import { shortestLease } from "../../schema/wire/lease_rule.ts";
import { pollHoldFor, pollTimeoutFor, silenceFor } from "../../schema/wire/poll_rule.ts";
import type { Intervals } from "../../schema/wire/protocol.ts";
import type { Environment } from "../bindings.ts";
import type { Settings } from "../queue/core/core.ts";

/** The longest hold of a poll of an agent with leases, and of every other long poll. */
export const SHORT_HOLD_MS = 25_000;

/**
 * The settings of the queue, from the environment.
 * @throws Error if a lease could expire although its agent renews it in time
 */
export function readSettings(environment: Environment): Settings {
	const settings: Settings = {
		leaseTtlMs: wholeNumber(environment, "LEASE_TTL_MS"),
		renewMs: wholeNumber(environment, "RENEW_MS"),
		renewTimeoutMs: wholeNumber(environment, "RENEW_TIMEOUT_MS"),
		killGraceMs: wholeNumber(environment, "KILL_GRACE_MS"),
		claimWindowMs: 12_000,
		retryBackoffMs: 1_000,
		logShards: wholeNumber(environment, "LOG_SHARDS"),
		maxJobMs: maxJobMs(environment),
		agentSilentMs: silenceFor(pollHoldMs(environment)),
	};
	const least = shortestLease(settings);
	if (settings.leaseTtlMs < least) {
		throw new Error(`LEASE_TTL_MS is ${settings.leaseTtlMs}, but three renewals, the kill grace and 2 s need at least ${least}`);
	}
	return settings;
}

/** The base URL of links, without a trailing slash; empty on Cloudflare without PUBLIC_URL. */
export function linkBase({ PUBLIC_URL, LOCAL_URL }: Environment): string {
	return (PUBLIC_URL || LOCAL_URL || "").replace(/\/+$/, "");
}

/** How long the poll of an idle agent waits. */
export function pollHoldMs(environment: Environment): number {
	return pollHoldFor(wholeNumber(environment, "POLL_HOLD_MS"), wholeNumber(environment, "LEASE_TTL_MS"));
}

/** The intervals that agents must keep. */
export function intervalsFor(settings: Settings, holdMs: number, maxLogBytes: number): Intervals {
	return {
		lease_ttl_ms: settings.leaseTtlMs,
		renew_ms: settings.renewMs,
		renew_timeout_ms: settings.renewTimeoutMs,
		kill_grace_ms: settings.killGraceMs,
		poll_timeout_ms: pollTimeoutFor(holdMs),
		log_flush_watched_ms: 200,
		log_flush_ms: 2_000,
		log_max_bytes: maxLogBytes,
	};
}

/** How long any job may run, in milliseconds; no limit where it is not set. */
function maxJobMs(environment: Environment): number {
	return environment.MAX_JOB_MS ? wholeNumber(environment, "MAX_JOB_MS") : Number.POSITIVE_INFINITY;
}

/** The largest log of an attempt, in bytes. @param quota what the team of the attempt allows; null: as much as the coordinator */
export function maxLogBytes(environment: Environment, quota: number | null): number {
	return Math.min(wholeNumber(environment, "MAX_LOG_BYTES"), quota ?? Number.POSITIVE_INFINITY);
}

/** The name of the only Sweeper. */
export const SWEEPER_NAME = "sweeper";

/** How long ended runs, their logs and artifacts are kept. */
export interface Retention {
	runsMs: number;
	logsMs: number;
	artifactsMs: number;
	/** The entries of the audit log. */
	auditMs: number;
}

export function readRetention(environment: Environment): Retention {
	return {
		runsMs: wholeNumber(environment, "KEEP_RUNS_MS"),
		logsMs: wholeNumber(environment, "KEEP_LOGS_MS"),
		artifactsMs: wholeNumber(environment, "KEEP_ARTIFACTS_MS"),
		auditMs: wholeNumber(environment, "KEEP_AUDIT_MS"),
	};
}

/** How much room caches may take, and how long unused ones are kept. */
export interface CacheLimits {
	/** Of each project without a quota of its own, and of all together, in bytes. */
	projectBytes: number;
	totalBytes: number;
	keepMs: number;
}

export function readCacheLimits(environment: Environment): CacheLimits {
	return {
		projectBytes: wholeNumber(environment, "CACHE_PROJECT_BYTES"),
		totalBytes: wholeNumber(environment, "CACHE_TOTAL_BYTES"),
		keepMs: wholeNumber(environment, "KEEP_CACHES_MS"),
	};
}

function wholeNumber(environment: Environment, name: keyof Environment): number {
	const value = Number(environment[name]);
	if (!Number.isSafeInteger(value) || value <= 0)
		throw new Error(`${name} must be a whole number above 0, but is ${String(environment[name])}`);
	return value;
}
