import { DEFAULT_MAX_LOG_BYTES } from "../../schema/wire/limits.ts";
import type { LogLevel } from "../../schema/wire/log_levels.ts";
import type { DataFolder } from "./data_folder.ts";
import type { FreeSpace } from "./disk_space.ts";
import type { JsonLog } from "./json_log.ts";
import type { OutboundRules } from "./outbound.ts";

/** The queue's times, in milliseconds; names and defaults are in docs/operations.md. */
export interface QueueTimes {
	leaseTtlMs: number;
	renewMs: number;
	killGraceMs: number;
}

/** How much and for how long: bytes and milliseconds. */
export interface Limits {
	maxLogBytes: number;
	/** Null: as long as its timeout says. */
	maxJobMs: number | null;
	keepRunsMs: number;
	keepLogsMs: number;
	keepArtifactsMs: number;
	/** How many bytes the caches of a project and of all projects may take, and how long an unused one is kept. */
	cacheProjectBytes: number;
	cacheTotalBytes: number;
	keepCachesMs: number;
	keepAuditMs: number;
	/** With less free space the coordinator accepts nothing new. */
	freeDisk: FreeSpace;
}

/** The master key in base64, and the former one while secrets are still encrypted with it. */
export interface MasterKeys {
	present: string;
	former: string | null;
}

/** Who reads the metrics, besides operators. */
export interface MetricsAccess {
	/** Everybody. */
	isOpen: boolean;
	/** Who has this token; null: nobody. */
	token: string | null;
}

export interface CoordinatorOptions {
	host: string;
	port: number;
	publicUrl: string | null;
	/** Addresses and networks of proxies whose forwarding headers name the client. */
	trustedProxies: readonly string[];
	masterKeys: MasterKeys;
	/** A preset admin token; null: the first start makes one. */
	adminToken: string | null;
	times: QueueTimes;
	limits: Limits;
	outbound: OutboundRules;
	/** As `parseRateLimits` reads it; empty: the defaults. */
	rateLimits?: string;
	/** Origins whose pages may call the API. */
	corsOrigins?: readonly string[];
	metrics?: MetricsAccess;
	data: DataFolder;
	log: JsonLog;
	logLevel: LogLevel;
}

const DAY_MS = 24 * 60 * 60_000;

export const DEFAULT_TIMES: QueueTimes = { leaseTtlMs: 60_000, renewMs: 10_000, killGraceMs: 10_000 };
export const DEFAULT_LIMITS: Limits = {
	maxLogBytes: DEFAULT_MAX_LOG_BYTES,
	maxJobMs: null,
	keepRunsMs: 90 * DAY_MS,
	keepLogsMs: 30 * DAY_MS,
	keepArtifactsMs: 14 * DAY_MS,
	cacheProjectBytes: 10 * 1024 ** 3,
	cacheTotalBytes: 50 * 1024 ** 3,
	keepCachesMs: 30 * DAY_MS,
	keepAuditMs: 365 * DAY_MS,
	freeDisk: { percent: 5 },
};
