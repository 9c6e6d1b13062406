import { Unreachable, untilAnswered } from "../../agent/client.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { type Run, run } from "../../schema/wire/resources.ts";
import type { Surroundings } from "./agents.ts";
import { USER_TOKEN } from "./coordinator.ts";
import { randomSubmission } from "./pipelines.ts";
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
			const job = this.#surroundings.world.random.pick(jobs);
			await client.call({ method: "POST", path: `/api/v1/jobs/${job.id}/cancel`, token: USER_TOKEN });
		});
	}

	approve(job: string): void {
		this.#errand(`approves ${job}`, (client) =>
			client.call({ method: "POST", path: `/api/v1/jobs/${job}/approve`, token: USER_TOKEN, json: {} }),
		);
	}

	/** Lets a job of a run pass its gate, or not. */
	decideGate(): void {
		const id = this.#someRun();
		if (!id) return;
		this.#errand(`looks for a gate of ${id}`, async (client) => {
			const { jobs } = await client.fetch(run, { method: "GET", path: `/api/v1/runs/${id}`, token: USER_TOKEN });
			const { random } = this.#surroundings.world;
			const gated = jobs.filter((job) => job.reason?.code === "gate");
			const job = random.pick(gated.length > 0 ? gated : jobs);
			const what = random.chance(0.8) ? "approve" : "decline";
			await client.call({ method: "POST", path: `/api/v1/jobs/${job.id}/${what}`, token: USER_TOKEN, json: {} });
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

	/** Looks at everything there is to see of a run. */
	look(): void {
		const { ledger } = this.#surroundings;
		const id = this.#someRun();
		if (!id) return;
		this.#errand(`looks at ${id}`, async (client) => {
			const get = (path: string) => client.call({ method: "GET", path: `/api/v1/${path}`, token: USER_TOKEN, timeoutMs: 70_000 });
			const seen = (await get(`runs/${id}`)).body as Run;
			if (![...ledger.runs.values()].includes(seen.id)) throw new Violation("a run is shown that nobody asked for", seen.id);
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
			await queue.held({ runs: [...ledger.runs.values()], sources: ["src"], attempts });
			for (const id of attempts.slice(-5)) await queue.readArtifacts(id);
			await queue.health();
			await queue.watch(attempts.at(-1) ?? "");
		});
	}

	pause(): void {
		this.#errand("pauses the queue", (client) => client.call({ method: "POST", path: "/api/v1/queue/pause", token: USER_TOKEN, json: {} }));
	}

	resume(): void {
		this.#errand("resumes the queue", (client) =>
			untilAnswered(() => client.call({ method: "POST", path: "/api/v1/queue/resume", token: USER_TOKEN, json: {} })),
		);
	}

	#someRun(): string | null {
		const { world, ledger } = this.#surroundings;
		const ids = [...ledger.runs.values()].slice(-6);
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
