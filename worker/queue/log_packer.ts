import { withDeadline } from "../platform/deadline.ts";
import { errorFields, log } from "../platform/logger.ts";
import { packKey } from "../platform/pack_key.ts";
import type { Core } from "./core/core.ts";
import { dropHeldLogs, heldLogs, nextPack, recordPacked } from "./core/leases/held_logs.ts";

/** A pack is written once it has this many logs or bytes, or its oldest log has waited for this long. */
const PACK_LOGS = 200;
const PACK_BYTES = 1024 * 1024;
const PACK_MS = 60_000;
const DEADLINE_MS = 30_000;
const RETRY_MS = 10_000;

/**
 * Writes the logs that the queue holds to R2, many in one object. A crash leaves an object that
 * nobody names, which retention deletes; the logs enter another pack.
 */
export class LogPacker {
	readonly #core: Core;
	readonly #db: D1Database;
	readonly #bucket: R2Bucket;
	#flight: Promise<void> | null = null;
	/** When to look again; null while no log is held. */
	#dueAt: number | null = Number.NEGATIVE_INFINITY;

	constructor(core: Core, { DB, BUCKET }: { DB: D1Database; BUCKET: R2Bucket }) {
		this.#core = core;
		this.#db = DB;
		this.#bucket = BUCKET;
	}

	get nextDue(): number | null {
		return this.#flight ? this.#core.now() + DEADLINE_MS : this.#dueAt;
	}

	/** Writes packs, if there is enough for one. */
	run(): void {
		if (this.#flight || !this.#isDue()) return;
		this.#flight = this.#writeAll()
			.catch((error) => {
				log("warn", "logs cannot be packed; the queue holds them and tries again", errorFields(error));
				this.#dueAt = this.#core.now() + RETRY_MS;
			})
			.finally(() => {
				this.#flight = null;
			});
	}

	/** Deletes held logs. A pack that is being written may have them: it is recorded first. */
	async drop(attemptIds: readonly string[]): Promise<void> {
		await this.#flight;
		dropHeldLogs(this.#core, attemptIds);
	}

	#isDue(): boolean {
		const { count, bytes, since } = heldLogs(this.#core);
		this.#dueAt = since === null ? null : since + PACK_MS;
		return count >= PACK_LOGS || bytes >= PACK_BYTES || (since !== null && this.#core.now() >= since + PACK_MS);
	}

	async #writeAll(): Promise<void> {
		do await this.#write();
		while (this.#isDue());
	}

	async #write(): Promise<void> {
		const { content, logs } = nextPack(this.#core, PACK_LOGS, PACK_BYTES);
		const key = packKey(this.#core.team, this.#core.newSecret());
		await withDeadline(this.#bucket.put(key, content, { httpMetadata: { contentType: "text/plain; charset=utf-8" } }), DEADLINE_MS, "R2");
		const departed = recordPacked(this.#core, key, logs);
		if (departed.length > 0) {
			const places = JSON.stringify(departed.map(({ attemptId, offset }) => [attemptId, offset]));
			const statement = this.#db
				.prepare(
					`UPDATE attempts SET log_key = ?1, log_offset = place.value ->> 1, log_held = 0, log_archived = 1
					FROM json_each(?2) AS place WHERE attempts.id = place.value ->> 0 AND attempts.log_held = 1`,
				)
				.bind(key, places);
			await withDeadline(statement.run(), DEADLINE_MS, "D1");
		}
		dropHeldLogs(
			this.#core,
			logs.map(({ attemptId }) => attemptId),
		);
	}
}
