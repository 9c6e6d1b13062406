import { DurableObject } from "cloudflare:workers";
import type { Swept } from "../../schema/wire/resources.ts";
import type { Environment } from "../bindings.ts";
import { errorFields, log, setLogLevel } from "../platform/logger.ts";
import { SWEEPER_NAME } from "../platform/settings.ts";
import { resumeDeliveries } from "../webhooks/service.ts";
import { applyRetention } from "./retention.ts";

const EVERY_MS = 60 * 60_000;
const FIRST_MS = 60_000;

/**
 * Applies retention every hour, and whenever it is asked to: one pass at a time, beside the queue and never in its way. Where there is no host that
 * would, it goes on with what forges have delivered and was cut short.
 */
export class Sweeper extends DurableObject<Environment> {
	#pass: Promise<Swept> | null = null;

	constructor(context: DurableObjectState, environment: Environment) {
		super(context, environment);
		setLogLevel(environment.LOG_LEVEL);
	}

	/** Makes sure that it will wake by itself. */
	async schedule(): Promise<void> {
		if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Date.now() + FIRST_MS);
	}

	/** Removes everything whose time is expired; whoever asks while a pass is under way gets that one's answer. */
	async sweep(): Promise<Swept> {
		this.#pass ??= applyRetention(this.env, Date.now()).finally(() => {
			this.#pass = null;
		});
		return this.#pass;
	}

	override async alarm(): Promise<void> {
		try {
			const deleted = await this.sweep();
			if (Object.values(deleted).some((count) => count > 0)) log("info", "retention", { ...deleted });
		} catch (error) {
			log("warn", "retention failed, will be tried again", errorFields(error));
		}
		try {
			await resumeDeliveries(this.env, Date.now());
		} finally {
			await this.ctx.storage.setAlarm(Date.now() + EVERY_MS);
		}
	}
}

/** The one sweeper there is. */
export function sweeperOf(environment: Environment): DurableObjectStub<Sweeper> {
	return environment.SWEEPER.getByName(SWEEPER_NAME);
}
