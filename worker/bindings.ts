import type { LogShard } from "./logs/log_shard.ts";
import type { Dispatcher } from "./queue/dispatcher.ts";
import type { Sweeper } from "./retention/sweeper.ts";

/** What the Worker is given: stores, secrets and settings. On the edge the secrets are Worker secrets. */
export interface Environment {
	DISPATCHER: DurableObjectNamespace<Dispatcher>;
	LOG_SHARD: DurableObjectNamespace<LogShard>;
	SWEEPER: DurableObjectNamespace<Sweeper>;
	DB: D1Database;
	BUCKET: R2Bucket;

	/** Signs leases, and the addresses of uploads and downloads. */
	SIGNING_KEY: string;
	/** The one before it, and until when (milliseconds since 1970) the leases that it has signed are honored. */
	SIGNING_KEY_BEFORE?: string;
	SIGNING_KEY_BEFORE_UNTIL?: string;
	/** What the keys of secrets are wrapped with: 32 bytes in base64. Without it there are no secrets. */
	MASTER_KEY?: string;
	/** The one before it, until everything is encrypted anew. */
	MASTER_KEY_BEFORE?: string;
	/** Known to the local host alone, new at each start; absent on the edge. */
	HOST_SECRET?: string;
	/** Random, new at each start of the local host; absent on the edge. */
	BOOT_ID?: string;
	/** The address that links use; the address of the request where it is not set. */
	PUBLIC_URL?: string;
	/** Where the machine of the local host reaches it; absent on the edge. */
	LOCAL_URL?: string;
	/** Addresses and networks of proxies whose X-Forwarded-For and X-Forwarded-Proto count, with commas between. */
	TRUSTED_PROXIES?: string;

	LEASE_TTL_MS: string;
	RENEW_MS: string;
	RENEW_TIMEOUT_MS: string;
	KILL_GRACE_MS: string;
	POLL_HOLD_MS: string;
	LOG_SHARDS: string;
	MAX_LOG_BYTES: string;

	/** How long runs with all that is theirs, their logs, and their artifacts are kept. */
	KEEP_RUNS_MS: string;
	KEEP_LOGS_MS: string;
	KEEP_ARTIFACTS_MS: string;

	/** The least important messages that are logged: error, warn, info, debug or trace. */
	LOG_LEVEL: string;
}
