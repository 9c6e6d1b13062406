import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { ApiError, toWireError } from "../../schema/wire/errors.ts";
import type { Environment } from "../../worker/bindings.ts";
import { effectHandlers } from "../../worker/effect_handlers.ts";
import { readSettings } from "../../worker/platform/settings.ts";
import { openCore } from "../../worker/queue/core/core.ts";
import { addSchedule, findSchedule } from "../../worker/queue/core/discovery/schedules.ts";
import { durableSql } from "../../worker/queue/durable_sql.ts";

test("what a schedule asks for comes later where it cannot be taken at the moment, and not at all where it never can", async () => {
	const now = Date.now();
	await env.DB.prepare(
		`INSERT INTO projects (id, team, name, repository, default_branch, created_at, updated_at)
		VALUES ('prj_timed', 'timed', 'web', 'https://git.test/web.git', 'main', ?1, ?1)`,
	)
		.bind(now)
		.run();
	await runInDurableObject(env.DISPATCHER.getByName("team:timed"), async (_, state) => {
		let ids = 0;
		const core = openCore({
			sql: durableSql(state.storage),
			team: "timed",
			settings: readSettings(env),
			now: () => now,
			newId: (kind) => `${kind}-${++ids}`,
			newSecret: () => "secret",
			report: () => undefined,
		});
		const { id } = addSchedule(core, "sch_1", "web", {
			cron: "0 3 * * *",
			timezone: "UTC",
			file: null,
			pipeline: null,
			branch: null,
			params: {},
			expect: null,
		});
		/** The same coordinator, whose queue answers every submission like this. */
		const answering = (answer: object) =>
			({ ...env, DISPATCHER: { getByName: () => ({ submit: async () => answer }) } }) as unknown as Environment;
		const fire = (answer: object) =>
			effectHandlers.fire_schedule({ environment: answering(answer), core }, { kind: "fire_schedule", scheduleId: id, at: now });
		const refusing = (error: ApiError) => ({ ok: false, error: toWireError(error) });
		await expect(fire(refusing(new ApiError("unavailable", "The disk is full.")))).rejects.toThrow("The disk is full.");
		expect(findSchedule(core, id).error).toBeNull();
		await expect(fire(refusing(new ApiError("validation_failed", "It is broken.")))).resolves.toBeNull();
		expect(findSchedule(core, id)).toMatchObject({ run_id: null, error: "It is broken." });
		await fire({ ok: true, value: { runId: "run-1" } });
		expect(findSchedule(core, id)).toMatchObject({ run_id: "run-1", error: null });
	});
});
