import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test, vi } from "vitest";
import { parseSubmission } from "../../schema/pipeline/parse/submission.ts";
import { readSettings } from "../../worker/platform/settings.ts";
import { openCore } from "../../worker/queue/core/core.ts";
import { outboxDepth } from "../../worker/queue/core/record/outbox.ts";
import { SUBMITTED, submitRun } from "../../worker/queue/core/runs/submit.ts";
import { durableSql } from "../../worker/queue/durable_sql.ts";
import { OutboxRelay } from "../../worker/queue/relay.ts";

function queue(storage: DurableObjectStorage, team: string) {
	let ids = 0;
	const core = openCore({
		sql: durableSql(storage),
		team,
		settings: readSettings(env),
		now: () => Date.now(),
		newId: (kind) => `${kind}-${team}-${++ids}`,
		newSecret: () => "secret",
		report: () => undefined,
	});
	const submit = (runId: string) =>
		submitRun(core, {
			runId,
			pipeline: parseSubmission("steps: [a]").pipeline,
			definition: "digest",
			project: "p",
			trigger: { kind: "api", actor: "t", delivery: null },
			commit: null,
			origin: SUBMITTED,
			rerun: null,
			idempotency: null,
		});
	return { core, submit };
}

const recorded = async (team: string) =>
	(await env.DB.prepare("SELECT id FROM runs WHERE team = ? ORDER BY id").bind(team).all<{ id: string }>()).results.map(({ id }) => id);

test("the relay sets a row aside that D1 rejects, and copies all others", async () => {
	await runInDurableObject(env.DISPATCHER.getByName("team:poison"), async (_, state) => {
		const { core, submit } = queue(state.storage, "poison");
		for (const runId of ["run-1", "run-2", "run-3", "run-4"]) submit(runId);
		// A name that is no text: D1 has the column as NOT NULL, and the copy gives it null.
		const real = env.DB;
		const poisoned = new Proxy(real, {
			get(target, name) {
				if (name !== "prepare") return Reflect.get(target, name).bind(target);
				return (text: string) => {
					const statement = target.prepare(text);
					return { bind: (json: string) => statement.bind(json.replaceAll(/("id":"run-3"[^}]*"project":)"p"/g, "$1null")) };
				};
			},
		});
		const drain = new OutboxRelay(core, poisoned);
		await drain.run();
		expect(outboxDepth(core)).toEqual({ waiting: 0, dead: 1 });
	});
	expect(await recorded("poison")).toEqual(["run-1", "run-2", "run-4"]);
});

test("a D1 that is down costs nothing: the rows wait and are sent later", async () => {
	const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
	await runInDurableObject(env.DISPATCHER.getByName("team:down"), async (_, state) => {
		const { core, submit } = queue(state.storage, "down");
		submit("run-down");
		let isDown = true;
		const flaky = new Proxy(env.DB, {
			get(target, name) {
				if (name === "batch" && isDown) return () => Promise.reject(new Error("D1_ERROR: Network connection lost."));
				return Reflect.get(target, name).bind(target);
			},
		});
		const drain = new OutboxRelay(core, flaky);
		await drain.run();
		expect(outboxDepth(core).waiting).toBeGreaterThan(0);
		expect(drain.nextDue).toBeGreaterThan(core.now());
		expect(await drain.run()).toBe(false);
		isDown = false;
		vi.useFakeTimers({ toFake: ["Date"], now: drain.nextDue ?? 0 });
		await drain.run();
		vi.useRealTimers();
		expect(outboxDepth(core)).toEqual({ waiting: 0, dead: 0 });
	});
	expect(await recorded("down")).toEqual(["run-down"]);
	expect(warn).toHaveBeenCalledOnce();
});
