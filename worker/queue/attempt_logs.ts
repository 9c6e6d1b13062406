import { LRUCache } from "lru-cache";
import type { Environment } from "../bindings.ts";
import { logShardOf } from "../platform/log_shard.ts";
import { errorFields, log } from "../platform/logger.ts";
import type { Core } from "./core/core.ts";
import { findAttempt, findOffer } from "./core/rows.ts";
import type { LogWatchers } from "./log_watchers.ts";

const MAX_BEGUN_LOGS = 10_000;

/** Which logs are in their shards, and what the shards are told of logs that are not. */
export class AttemptLogs {
	readonly #core: Core;
	readonly #environment: Environment;
	readonly #watchers: LogWatchers;
	/** Attempts of which a shard has something. */
	readonly #begun = new LRUCache<string, true>({ max: MAX_BEGUN_LOGS });

	constructor(core: Core, environment: Environment, watchers: LogWatchers) {
		this.#core = core;
		this.#environment = environment;
		this.#watchers = watchers;
	}

	/** Whether the log of an attempt is in its shard, or may still come there. */
	isInShard(attemptId: string): boolean {
		const attempt = findAttempt(this.#core, attemptId);
		if (!attempt) return findOffer(this.#core, attemptId) !== undefined;
		return attempt.log_archived === 0 && attempt.log_held === 0;
	}

	/** A shard is about to begin the log of an attempt. @returns whether it may */
	begins(attemptId: string): boolean {
		const isExpected = this.isInShard(attemptId);
		if (isExpected) this.#begun.set(attemptId, true);
		return isExpected;
	}

	/**
	 * Tells the shard of a log that came with its result, if something of the attempt is there or
	 * somebody waits there. After a restart the first is not known; the shard then finds out itself.
	 */
	sendReadersOn(): void {
		const { logsElsewhere } = this.#core.hints;
		for (const attemptId of logsElsewhere) {
			if (!this.#begun.delete(attemptId) && !this.#watchers.has(attemptId)) continue;
			const attempt = findAttempt(this.#core, attemptId);
			if (!attempt) continue;
			void logShardOf(this.#environment, attempt.shard)
				.sendReadersOn(attemptId)
				.catch((error) => log("warn", "the readers of a log cannot be sent on", errorFields(error)));
		}
		logsElsewhere.clear();
	}
}
