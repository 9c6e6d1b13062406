import { randomUUID } from "node:crypto";
import type { RegistrationToken } from "../schema/wire/agents.ts";
import type { ArtifactUploads, FinishBody, Offer, PollAnswer, Registered, ResultBody } from "../schema/wire/protocol.ts";
import type { Run } from "../schema/wire/resources.ts";
import type { Target } from "./target.ts";
import { repeated, type Timing } from "./timing.ts";

/**
 * An agent that speaks the protocol and runs nothing: the measured time is the coordinator's alone.
 */
export class BenchAgent {
	readonly target: Target;
	readonly label: string;
	readonly #token: string;
	#polls = 0;
	#renewals = 0;

	private constructor(target: Target, label: string, token: string) {
		this.target = target;
		this.label = label;
		this.#token = token;
	}

	static async join(target: Target, registrationToken: string, name: string, label = name): Promise<BenchAgent> {
		const { token } = await target.send<Registered>("/api/v1/agents", {
			method: "POST",
			token: registrationToken,
			json: { name, registration_key: randomUUID() },
		});
		const agent = new BenchAgent(target, label, token);
		const facts = { version: "bench", slots: 1, labels: [label], facts: {} };
		await agent.#call("hello", { protocol: 2, session: 1, instance: randomUUID(), running: [], facts });
		return agent;
	}

	/**
	 * Polls once. The answer comes with an offer, or without any at the end of the long poll. With
	 * results it comes at once.
	 */
	async poll(results: readonly ResultBody[] = []): Promise<Offer[]> {
		this.#polls += 1;
		const running = results.map(({ attempt_id }) => attempt_id);
		const body = { protocol: 2, session: 1, seq: this.#polls, slots_free: 1, running, results };
		const { offers, results: answers } = await this.#call<PollAnswer>("poll", body);
		const rejected = answers.find(({ error }) => error !== null);
		if (rejected) throw new Error(`the result of ${rejected.attempt_id}: ${rejected.error?.message}`);
		return offers;
	}

	/** Keeps the leases of these attempts. */
	async renew(attempts: readonly BenchAttempt[]): Promise<void> {
		this.#renewals += 1;
		await this.target.send("/api/v1/agents/self/renew", {
			method: "POST",
			token: this.#token,
			json: { session: 1, seq: this.#renewals, running: attempts.map(({ attemptId }) => attemptId) },
		});
	}

	/** The next offer, however many polls it takes. */
	async nextOffer(): Promise<Offer> {
		for (;;) {
			const [offer] = await this.poll();
			if (offer) return offer;
		}
	}

	#call<Answer>(what: "hello" | "poll", json: unknown): Promise<Answer> {
		return this.target.send(`/api/v1/agents/self/${what}`, { method: "POST", token: this.#token, json });
	}
}

/** Agents that join one after the other, each with a label of its own. */
export async function joinAgents(target: Target, prefix: string, count: number): Promise<{ agents: BenchAgent[]; joined: Timing }> {
	const registrationToken = await newRegistrationToken(target, count);
	const agents: BenchAgent[] = [];
	const joined = await repeated(count, async (index) => {
		agents.push(await BenchAgent.join(target, registrationToken, `${prefix}-${index}`));
	});
	return { agents, joined };
}

/** A token with which this many agents may join. */
export async function newRegistrationToken(target: Target, uses: number): Promise<string> {
	return (await target.post<RegistrationToken>("/api/v1/agent-tokens", { uses })).token;
}

/** Submits a job of one step that only agents with this label can take. */
export async function submitFor(target: Target, label: string): Promise<{ runId: string; jobId: string }> {
	const { id, jobs } = await target.post<Run>("/api/v1/runs", { run: "true", runs_on: [label] });
	return { runId: id, jobId: jobs[0]?.id ?? "" };
}

/** The result of a job that did nothing. */
export function emptyResult({ attempt_id, lease_token }: Offer): ResultBody {
	const log = { bytes: 0, sha256: null, incomplete: false };
	return { attempt_id, lease_token, state: "succeeded", exit_code: 0, reason: null, log, steps: [] };
}

type Manifest = FinishBody["artifacts"];

/** An attempt as its agent sees it. */
export class BenchAttempt {
	readonly jobId: string;
	readonly attemptId: string;
	readonly #target: Target;
	readonly #offer: Offer;
	#logBytes = 0;

	constructor(target: Target, offer: Offer) {
		this.#target = target;
		this.#offer = offer;
		this.jobId = offer.job_id;
		this.attemptId = offer.attempt_id;
	}

	/** A job of its own for this agent, started. */
	static async begin(agent: BenchAgent): Promise<BenchAttempt> {
		const [offer] = await Promise.all([agent.nextOffer(), submitFor(agent.target, agent.label)]);
		const attempt = new BenchAttempt(agent.target, offer);
		await attempt.start();
		return attempt;
	}

	async start(): Promise<void> {
		await this.#call("POST", "start", {});
	}

	/** Adds these bytes to the log. */
	async appendLog(bytes: Uint8Array): Promise<void> {
		await this.#target.send(this.#address("log"), {
			method: "PATCH",
			token: this.#offer.lease_token,
			bytes,
			headers: { "Upload-Offset": String(this.#logBytes), "Content-Type": "application/octet-stream" },
		});
		this.#logBytes += bytes.byteLength;
	}

	startUploads(files: readonly { path: string; size: number; sha256: string; parts?: readonly string[] }[]): Promise<ArtifactUploads> {
		return this.#call("POST", "artifacts", { files });
	}

	/** Ends the attempt; the coordinator computes the log's sha256 itself. */
	async finish(artifacts: Manifest = []): Promise<void> {
		const log = { bytes: this.#logBytes, sha256: null, incomplete: false };
		const result: FinishBody = { state: "succeeded", exit_code: 0, reason: null, log, steps: [], artifacts };
		await this.#call("POST", "finish", result);
	}

	#call<Answer>(method: "POST", action: string, json: unknown): Promise<Answer> {
		return this.#target.send(this.#address(action), { method, token: this.#offer.lease_token, json });
	}

	#address(action: string): string {
		return `/api/v1/attempts/${this.#offer.attempt_id}/${action}`;
	}
}
