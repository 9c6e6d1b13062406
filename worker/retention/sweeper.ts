import { DurableObject } from "cloudflare:workers";
import type { Swept } from "../../schema/wire/resources.ts";
import type { Environment, Sweeper as SweeperRpc } from "../bindings.ts";
import { errorFields, log, setLogLevel } from "../platform/logger.ts";
import { resumeDeliveries } from "../webhooks/service.ts";
import { applyRetention } from "./retention.ts";

const EVERY_MS = 60 * 60_000;
const FIRST_MS = 60_000;

/**
 * Applies retention every hour and on request, one pass at a time. On Cloudflare it also resumes
 * deliveries without an outcome.
 */
export class Sweeper extends DurableObject<Environment> implements SweeperRpc {
	#pass: Promise<Swept> | null = null;

	constructor(context: DurableObjectState, environment: Environment) {
		super(context, environment);
		setLogLevel(environment.LOG_LEVEL);
	}

	/** Sets the alarm if none is set. */
	async schedule(): Promise<void> {
		if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Date.now() + FIRST_MS);
	}

	/** Deletes all expired data; concurrent callers share one pass. */
	async sweep(): Promise<Swept> {
		this.#pass ??= applyRetention(this.env, Date.now()).finally(() => {
			this.#pass = null;
		});
		return this.#pass;
	}

	override async alarm(): Promise<void> {
		try {
			const deleted = await this.sweep();
			if (Object.values(deleted).some((count) => count > 0)) log("info", "retention", { deleted: { ...deleted } });
		} catch (error) {
			log("warn", "retention failed, it is retried in an hour", errorFields(error));
		}
		try {
			await resumeDeliveries(this.env, Date.now());
		} finally {
			await this.ctx.storage.setAlarm(Date.now() + EVERY_MS);
		}
	}
}
