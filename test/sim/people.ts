import { sleep } from "../../agent/sleep.ts";
import { Unreachable, untilAnswered } from "../../agent/transport/retry.ts";
import type { ProjectRow } from "../../schema/database/tables.ts";
import { resolvingUpload } from "../../schema/pipeline/parse/uploaded_jobs.ts";
import { doneAtOnce } from "../../schema/pipeline/syntax/sliced_work.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { type Run, run } from "../../schema/wire/resources.ts";
import { ALL_FILES } from "../../worker/discovery/discovery_pipeline.ts";
import { discoverySubmission } from "../../worker/discovery/submit_discovery.ts";
import { sha256 } from "../../worker/identity/digest.ts";
import { unwrap } from "../../worker/platform/result.ts";
import type { LeaseClaims } from "../../worker/queue/core/leases/attempts.ts";
import type { Surroundings } from "./agents.ts";
import { PROJECT, USER_TOKEN } from "./coordinator.ts";
import { randomSubmission, randomTrigger, randomUpload } from "./pipelines.ts";
import { Life, Violation } from "./world.ts";

/** A key is kept for a day; whatever the clock is set to, for this long. */
const KEY_KEPT_MS = 12 * 60 * 60_000;

/** Those who submit runs, cancel them, and look at them. Whoever has no answer tries again, with the same key. */
export class People {
	readonly #surroundings: Surroundings;
	#submissions = 0;
	#errands = 0;

	constructor(surroundings: Surroundings) {
		this.#surroundings = surroundings;
	}

	/** Submits a pipeline and keeps to it until it is acknowledged. */
	submit(): void {
		const { world, ledger } = this.#surroundings;
		this.#submissions += 1;
		const { name, text } = randomSubmission(world.random, this.#submissions);
		this.#errand(`submits ${name}`, async (client) => {
			const headers = { "Content-Type": "application/json", "Idempotency-Key": name };
			const bytes = new TextEncoder().encode(text);
			const accepted = await untilAnswered(() =>
				client.fetch(run, { method: "POST", path: "/api/v1/runs", token: USER_TOKEN, bytes, headers }),
			);
			const known = ledger.runs.get(name);
			if (known && known !== accepted.id) throw new Violation("a replay made another run", `${name}: ${known} and ${accepted.id}`);
			ledger.runs.set(name, accepted.id);
			ledger.acknowledgedAt.set(name, world.now);
		});
	}

	/** Has it looked up what the repository wants to be run, and keeps to it until that is acknowledged. */
	trigger(): void {
		const { world, ledger } = this.#surroundings;
		this.#submissions += 1;
		const name = `trigger ${this.#submissions}`;
		this.#errand(`asks for a plan: ${name}`, async (client) => {
			const headers = { "Idempotency-Key": name };
			const path = `/api/v1/projects/${PROJECT}/trigger`;
			const accepted = await untilAnswered(() => client.fetch(run, { method: "POST", path, token: USER_TOKEN, json: {}, headers }));
			ledger.runs.set(name, accepted.id);
			ledger.acknowledgedAt.set(name, world.now);
		});
	}

	/** A forge delivers a push or a pull request. Two deliveries of one event count once. */
	deliver(): void {
		const { world, coordinator } = this.#surroundings;
		this.#submissions += 1;
		const delivery = `delivery ${String(this.#submissions).padStart(6, "0")}`;
		const isPull = world.random.chance(0.5);
		const times = world.random.between(1, 2);
		this.#errand(`is a forge: ${delivery}`, async () => {
			const [project] = coordinator.record.database.all<ProjectRow>("SELECT * FROM projects WHERE name = ?", PROJECT);
			const trigger = randomTrigger(world.random, isPull);
			const { kind, ref, sha, before } = trigger;
			const heard = kind === "push" && sha !== null ? { project: PROJECT, ref, sha, before, isCompared: false } : null;
			const dispatcher = coordinator.environment.DISPATCHER.getByName("team:default");
			for (let time = 0; time < times; time += 1) {
				const idempotency = { scope: "hook", key: delivery };
				const submit = await discoverySubmission(project as ProjectRow, trigger, ALL_FILES, { delivery, idempotency });
				await (heard ? dispatcher.submitDelivered(submit, heard) : dispatcher.submit(submit));
			}
		});
	}

	/** Sends a submission once more that was acknowledged before. */
	submitAgain(): void {
		const { world, ledger } = this.#surroundings;
		const names = [...ledger.runs.keys()].filter((name) => world.now - (ledger.acknowledgedAt.get(name) ?? 0) < KEY_KEPT_MS);
		if (names.length === 0) return;
		const name = world.random.pick(names);
		this.#errand(`submits something else as ${name}`, async (client) => {
			const headers = { "Idempotency-Key": name };
			await client.call({ method: "POST", path: "/api/v1/runs", token: USER_TOKEN, json: { run: "{}" }, headers });
			throw new Violation("another content was taken under a used key", name);
		});
	}

	cancelRun(): void {
		const id = this.#someRun();
		if (id)
			this.#errand(`cancels ${id}`, (client) => client.call({ method: "POST", path: `/api/v1/runs/${id}/cancel`, token: USER_TOKEN }));
	}

	cancelJob(): void {
		const id = this.#someRun();
		if (!id) return;
		this.#errand(`cancels a job of ${id}`, async (client) => {
			const { jobs } = await client.fetch(run, { method: "GET", path: `/api/v1/runs/${id}`, token: USER_TOKEN });
			// A run of which nothing could be run has none.
			if (jobs.length === 0) return;
			const job = this.#surroundings.world.random.pick(jobs);
			await client.call({ method: "POST", path: `/api/v1/jobs/${job.id}/cancel`, token: USER_TOKEN });
		});
	}

	/** Repeats a run, all of it or what is left to do, until that is acknowledged. */
	rerun(): void {
		const id = this.#someRun();
		if (!id) return;
		const { world, ledger } = this.#surroundings;
		this.#submissions += 1;
		const name = `rerun ${this.#submissions}`;
		const json = world.random.chance(0.5) ? { only: "failed" } : {};
		this.#errand(`repeats ${id} as ${name}`, async (client) => {
			const headers = { "Idempotency-Key": name };
			const accepted = await untilAnswered(() =>
				client.fetch(run, { method: "POST", path: `/api/v1/runs/${id}/rerun`, token: USER_TOKEN, json, headers }),
			);
			ledger.runs.set(name, accepted.id);
			ledger.acknowledgedAt.set(name, world.now);
		});
	}

	/** Adds jobs to a run with a request that is held up for so long between its steps: its attempt may have lost its lease. */
	uploadLate(ms: number): void {
		const { world, coordinator } = this.#surroundings;
		const { database } = coordinator.dispatcher;
		const live = `SELECT a.id AS attemptId, lease_id AS leaseId, job_id AS jobId, agent_id AS agentId FROM attempts AS a
			JOIN runs AS r ON r.id = a.run_id WHERE a.state = 'running' AND r.kind = 'pipeline' ORDER BY a.id`;
		const leases = database.writes > 0 ? database.all<LeaseClaims>(live) : [];
		if (leases.length === 0) return;
		const lease = world.random.pick(leases);
		this.#submissions += 1;
		const text = randomUpload(world.random, `late${this.#submissions}`, {});
		this.#errand(`adds jobs in the name of ${lease.attemptId}`, async () => {
			const dispatcher = coordinator.environment.DISPATCHER.getByName("team:default");
			const target = unwrap(await dispatcher.uploadTarget(lease));
			const jobs = doneAtOnce(resolvingUpload(text, target));
			await sleep(ms);
			await dispatcher.addJobs(lease, { definition: target.definition, digest: await sha256(text), jobs });
		});
	}

	/** Looks at everything there is to see of a run. */
	look(): void {
		const { ledger } = this.#surroundings;
		const id = this.#someRun();
		if (!id) return;
		this.#errand(`looks at ${id}`, async (client) => {
			const get = (path: string) => client.call({ method: "GET", path: `/api/v1/${path}`, token: USER_TOKEN, timeoutMs: 70_000 });
			const seen = (await get(`runs/${id}`)).body as Run;
			if (seen.discovered_by === null && ![...ledger.runs.values()].includes(seen.id))
				throw new Violation("a run is shown that nobody asked for", seen.id);
			for (const { id: job } of seen.jobs) await get(`jobs/${job}/explain`);
			await get(`runs/${id}/events`);
			await get(`runs/${id}/wait?timeout=60`);
			await get("agents");
		});
	}

	/** Follows all that changes, as a status page does, and asks what is there to be removed. */
	follow(): void {
		const { world, coordinator, ledger } = this.#surroundings;
		this.#errand("follows the feed", async () => {
			const queue = coordinator.environment.DISPATCHER.getByName("team:default");
			let { rev } = await queue.followChanges(null, 0);
			for (let time = 0; time < 10; time += 1) ({ rev } = await queue.followChanges(rev - world.random.below(50), 20_000));
			const attempts = [...ledger.jobs.keys()];
			await queue.held({ runs: [...ledger.runs.values()], sources: ["src"], attempts, packs: ["packs/default/none.log"] });
			for (const id of attempts.slice(-5)) await queue.readArtifacts(id);
			await queue.health();
			await queue.readMetrics();
			await queue.watch(attempts.at(-1) ?? "");
		});
	}

	/** Does something with an agent. */
	manageAgent(what: "restrict" | "disable" | "drain" | "rotate" | "remove"): void {
		const { world } = this.#surroundings;
		const { random } = world;
		const id = this.#someAgent();
		if (!id) return;
		const path = `/api/v1/agents/${id}`;
		const bodies = {
			restrict: { projects: random.pick([[], [PROJECT], ["adhoc"]]), runs: random.pick(["any", "trusted", "untrusted"]) },
			disable: { running: random.pick(["finish", "cancel"]) },
			drain: {},
			rotate: {},
		};
		this.#errand(`is to ${what} ${id}`, async (client) => {
			if (what === "remove") {
				await this.#surroundings.coordinator.environment.DISPATCHER.getByName("team:default").removeAgent(id, "somebody");
				return;
			}
			if (what === "restrict") await client.call({ method: "PATCH", path, token: USER_TOKEN, json: bodies.restrict });
			else await client.call({ method: "POST", path: `${path}/${what}`, token: USER_TOKEN, json: bodies[what] });
			await client.call({ method: "GET", path, token: USER_TOKEN });
		});
	}

	/** Lets every agent take every job again. */
	freeAgents(): void {
		this.#errand("lets agents take every job", async (client) => {
			const { items } = (await client.call({ method: "GET", path: "/api/v1/agents", token: USER_TOKEN })).body as {
				items: { id: string }[];
			};
			for (const { id } of items) {
				const path = `/api/v1/agents/${id}`;
				await client.call({ method: "PATCH", path, token: USER_TOKEN, json: { projects: [], runs: "any" } });
				await client.call({ method: "POST", path: `${path}/enable`, token: USER_TOKEN, json: {} });
			}
		});
	}

	/** Revokes a registration token, which may be on its way to an agent. */
	revokeToken(): void {
		const { coordinator, world } = this.#surroundings;
		this.#errand("revokes a registration token", async (client) => {
			const path = "/api/v1/agent-tokens";
			const { items } = (await client.call({ method: "GET", path, token: USER_TOKEN })).body as { items: { id: string }[] };
			const id = items.length > 0 ? world.random.pick(items).id : "reg_of_nobody";
			await coordinator.environment.DISPATCHER.getByName("team:default").revokeRegistrationToken(id, "somebody");
		});
	}

	#someAgent(): string | null {
		const { world, coordinator } = this.#surroundings;
		const { database } = coordinator.dispatcher;
		const ids = database.writes > 0 ? database.all<{ id: string }>("SELECT id FROM agents ORDER BY name") : [];
		return ids.length > 0 ? world.random.pick(ids).id : null;
	}

	pause(): void {
		this.#errand("pauses the queue", (client) => client.call({ method: "POST", path: "/api/v1/queue/pause", token: USER_TOKEN, json: {} }));
	}

	resume(): void {
		this.#errand("resumes the queue", (client) =>
			untilAnswered(() => client.call({ method: "POST", path: "/api/v1/queue/resume", token: USER_TOKEN, json: {} })),
		);
	}

	/** Sets how many jobs may run at once; null: as many as there is room for. */
	limitRunning(most: number | null): void {
		const { coordinator } = this.#surroundings;
		this.#errand("sets a quota", () =>
			untilAnswered(async () => {
				const dispatcher = coordinator.environment.DISPATCHER.getByName("team:default");
				await dispatcher.setQuotas({ running_jobs: most });
				await dispatcher.readQuotas();
			}),
		);
	}

	#someRun(): string | null {
		const { world, ledger } = this.#surroundings;
		const ids = [...ledger.runs.values()].slice(-6);
		const { database } = this.#surroundings.coordinator.dispatcher;
		if (database.writes > 0 && world.random.chance(0.3))
			ids.push(...database.all<{ id: string }>("SELECT id FROM runs WHERE discovered_by IS NOT NULL").map(({ id }) => id));
		return ids.length > 0 ? world.random.pick(ids) : null;
	}

	/** What somebody does; refusals and a coordinator that is not there are a part of life. */
	#errand(what: string, body: (client: ReturnType<Surroundings["network"]["client"]>) => Promise<unknown>): void {
		const { world, network } = this.#surroundings;
		this.#errands += 1;
		const life = new Life(`person ${this.#errands}`);
		const begin = async () => {
			try {
				await body(network.client(life.name));
			} catch (error) {
				const isExpected = error instanceof ApiError || error instanceof Unreachable || (error as { retryable?: boolean }).retryable;
				if (!isExpected) throw error;
			}
		};
		world.after(0, `${life.name} ${what}`, begin, life);
	}
}
