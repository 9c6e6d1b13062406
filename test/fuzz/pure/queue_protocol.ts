import assert from "node:assert/strict";
import * as fc from "fast-check";
import { ApiError } from "../../../schema/wire/errors.ts";
import * as protocol from "../../../schema/wire/protocol.ts";
import { openSession, registerAgent } from "../../../worker/queue/core/agents/agents.ts";
import { finishAttempt, pinCommit } from "../../../worker/queue/core/leases/attempts.ts";
import { assignWaiting } from "../../../worker/queue/core/leases/offers.ts";
import { newsFor, recordPoll, renewLeases } from "../../../worker/queue/core/leases/polls.ts";
import { Queue } from "../../support/queue.ts";
import { type FuzzProperty, fuzzProperty } from "../fuzz_property.ts";
import { editedJson } from "../values/json.ts";
import * as right from "../values/protocol.ts";

/**
 * What agents say to the queue itself, past the shape that the API checks: whatever has that shape
 * may come.
 */

const saying = fc.oneof(
	editedJson(right.HELLO).map((body) => ({ kind: "hello" as const, body })),
	editedJson(right.POLL).map((body) => ({ kind: "poll" as const, body })),
	editedJson(right.RENEWAL).map((body) => ({ kind: "renew" as const, body })),
	editedJson(right.COMMIT).map((body) => ({ kind: "commit" as const, body })),
	editedJson(right.FINISH).map((body) => ({ kind: "finish" as const, body })),
	editedJson(right.REGISTRATION).map((body) => ({ kind: "register" as const, body })),
);

type Saying = typeof saying extends fc.Arbitrary<infer Value> ? Value : never;

/** A queue with an agent that runs one job and has another one waiting. */
class Listener {
	readonly queue = new Queue();
	readonly #agentId = this.queue.agent("speaker", { slots: 2 });
	readonly #runId = this.queue.submit(
		"jobs: {a: {steps: [x], retry: {attempts: 3, on: [failed, lost, errored]}}, b: {needs: a, steps: [z]}}",
	);
	readonly #lease = this.queue.take(this.#agentId);

	hear({ kind, body }: Saying): void {
		const { core } = this.queue;
		switch (kind) {
			case "hello":
				openSession(core, this.#agentId, "speaker", protocol.hello.parse(body));
				break;
			case "poll": {
				const poll = protocol.poll.parse(body);
				recordPoll(core, this.#agentId, "speaker", poll);
				assignWaiting(core, [this.#agentId]);
				newsFor(core, this.#agentId, poll.seq);
				break;
			}
			case "renew":
				renewLeases(core, this.#agentId, "speaker", protocol.renew.parse(body));
				break;
			case "commit":
				pinCommit(core, this.#lease, protocol.pinnedCommit.parse(body));
				break;
			case "finish":
				finishAttempt(core, this.#lease, protocol.finish.parse(body), "digest", []);
				break;
			case "register": {
				const { name, registration_key } = protocol.register.parse(body);
				registerAgent(core, { tokenHash: "none", registrationHash: registration_key, name, secretHash: "secret" });
			}
		}
	}

	/** Time goes by; a run is over when its jobs are, and not before. */
	end(): void {
		this.queue.pass(5_000);
		const { state } = this.queue.run(this.#runId);
		const jobs = this.queue.jobs(this.#runId);
		const isOver = jobs.every((job) => job.finished_at !== null);
		assert.equal(
			this.queue.run(this.#runId).finished_at !== null,
			isOver,
			`the run is ${state}, its jobs are ${jobs.map((job) => job.state).join()}`,
		);
	}
}

function isRefusal(error: unknown): boolean {
	return (
		error instanceof ApiError ||
		(error instanceof Error && error.name === "$ZodError") ||
		(error instanceof Error && error.name === "ZodError")
	);
}

export const queueProperties: FuzzProperty[] = [
	fuzzProperty(
		"the queue takes or refuses whatever an agent says",
		{ weight: 2, most: 4_000 },
		fc.array(saying, { minLength: 1, maxLength: 5 }),
		(sayings) => {
			const listener = new Listener();
			for (const one of sayings) {
				try {
					listener.hear(one);
				} catch (error) {
					if (!isRefusal(error)) throw error;
				}
			}
			listener.end();
		},
	),
];
