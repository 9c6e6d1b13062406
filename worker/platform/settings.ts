import { shortestLease } from "../../schema/wire/lease_rule.ts";
import { pollHoldFor, pollTimeoutFor, silenceFor } from "../../schema/wire/poll_rule.ts";
import type { Intervals } from "../../schema/wire/protocol.ts";
import type { Environment } from "../bindings.ts";
import type { Settings } from "../queue/core/core.ts";

/** A poll of an agent that holds leases, and every other parked call, comes back at least this often. */
export const SHORT_HOLD_MS = 25_000;

/**
 * The queue's settings, from the environment.
 * @throws Error if leases could expire under an agent that does everything right
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
		agentSilentMs: silenceFor(pollHoldMs(environment)),
	};
	const least = shortestLease(settings);
	if (settings.leaseTtlMs < least) {
		throw new Error(`a lease of ${settings.leaseTtlMs} ms is too short: three renewals, the kill grace and 2 s need ${least} ms`);
	}
	return settings;
}

/** What the links of commit statuses begin with, without a slash at the end; empty where nobody has said, on the edge. */
export function linkBase({ PUBLIC_URL, LOCAL_URL }: Environment): string {
	return (PUBLIC_URL || LOCAL_URL || "").replace(/\/+$/, "");
}

/** How long an idle agent's poll may stay parked. */
export function pollHoldMs(environment: Environment): number {
	return pollHoldFor(wholeNumber(environment, "POLL_HOLD_MS"), wholeNumber(environment, "LEASE_TTL_MS"));
}

/** What agents are told to keep to. */
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

/** The longest log of an attempt. */
export function maxLogBytes(environment: Environment): number {
	return wholeNumber(environment, "MAX_LOG_BYTES");
}

/** The one Sweeper there is. */
export const SWEEPER_NAME = "sweeper";

/** For how long what is over is kept. */
export interface Retention {
	runsMs: number;
	logsMs: number;
	artifactsMs: number;
}

export function readRetention(environment: Environment): Retention {
	return {
		runsMs: wholeNumber(environment, "KEEP_RUNS_MS"),
		logsMs: wholeNumber(environment, "KEEP_LOGS_MS"),
		artifactsMs: wholeNumber(environment, "KEEP_ARTIFACTS_MS"),
	};
}

function wholeNumber(environment: Environment, name: keyof Environment): number {
	const value = Number(environment[name]);
	if (!Number.isSafeInteger(value) || value <= 0)
		throw new Error(`${name} must be a whole number above 0, not ${String(environment[name])}`);
	return value;
}
