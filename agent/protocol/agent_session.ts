import { ApiError } from "../../schema/wire/errors.ts";
import { PROTOCOL_VERSION } from "../../schema/wire/limits.ts";
import {
	type Facts,
	type HelloAnswer,
	type HelloBody,
	helloAnswer,
	type Intervals,
	registered,
	rotatedToken,
} from "../../schema/wire/protocol.ts";
import { log } from "../logger.ts";
import type { Coordinator } from "../transport/client.ts";
import { untilAnswered } from "../transport/retry.ts";
import type { AgentMemory, Identity } from "./identity.ts";

export interface SessionParts {
	/** The token is a registration token; `tokenError` says why the agent could not read one. */
	options: { name: string; token: string | null; tokenError: string | null };
	memory: AgentMemory;
	client: Coordinator;
	/** The agent info: version, slots, labels and capabilities. */
	info: () => Facts;
	/** Called with the labels that the coordinator accepts. */
	onLabels: (labels: readonly string[]) => void;
	/** Aborted when the agent stops. */
	signal: AbortSignal;
}

const GOODBYE_TIMEOUT_MS = 3_000;

/**
 * The agent's identity and its session with the coordinator: it registers, says hello, rotates its
 * token, says goodbye.
 */
export class AgentSession {
	readonly #parts: SessionParts;
	#number = 0;
	#instance = "";
	#token = "";
	/** The ignored labels that the agent logged last. */
	#loggedIgnored = "";
	/** The intervals that the coordinator sent last; null before the first hello. */
	intervals: Intervals | null = null;

	constructor(parts: SessionParts) {
		this.#parts = parts;
	}

	get number(): number {
		return this.#number;
	}

	/** The token that the coordinator knows this agent by. */
	get token(): string {
		return this.#token;
	}

	/**
	 * Opens a session as the stored identity, or registers if the coordinator does not know it.
	 * @throws ApiError when the coordinator rejects the agent
	 */
	async join(): Promise<Identity> {
		const { memory, client, options, signal } = this.#parts;
		const known = memory.identity;
		if (known) {
			try {
				await this.#helloAs(known);
				if (known.server !== client.server) await memory.storeIdentity({ ...known, server: client.server });
				return known;
			} catch (error) {
				if (!isUnknown(error)) throw error;
				// An earlier process may have rotated the token without storing the next one.
				const rotated = await this.rotate(known, signal).catch((failure) => {
					// Only a rejection says that this agent never asked for another token.
					if (failure instanceof ApiError) return null;
					throw failure;
				});
				if (rotated) {
					await this.#helloAs(rotated);
					return rotated;
				}
				if (!options.token) throw error;
				log("warn", `${client.server} does not know the agent ${known.name}. The agent registers again.`);
				await memory.deleteIdentity();
			}
		}
		const identity = await this.#register();
		await this.#helloAs(identity);
		return identity;
	}

	/**
	 * Gets the next token and stores it. A repeated request returns the same token, also in a later
	 * process.
	 * @throws ApiError when the coordinator rejects the request
	 */
	async rotate(identity: Identity, signal: AbortSignal): Promise<Identity> {
		const { client, memory } = this.#parts;
		const json = { rotation_key: await memory.rotationKey() };
		const call = { method: "POST", path: "/api/v1/agents/self/rotate", token: identity.token, json, signal } as const;
		const { token } = await untilAnswered(() => client.fetch(rotatedToken, call), signal);
		const rotated = { ...identity, token };
		await memory.storeRotated(rotated);
		this.#token = token;
		log("info", "the agent's token was rotated");
		return rotated;
	}

	/** Rotates the token if the agent is registered. */
	async rotateToken(signal: AbortSignal): Promise<void> {
		const { identity } = this.#parts.memory;
		if (!identity) return;
		await this.rotate(identity, signal).catch((error) => {
			if (!signal.aborted) log("warn", `The agent's token could not be rotated: ${error.message}`);
		});
	}

	/** Sends the agent info again, within the same session. */
	async sendInfo(running: () => string[]): Promise<void> {
		const { client, signal } = this.#parts;
		const call = () => this.#hello(running());
		await untilAnswered(() => client.fetch(helloAnswer, call()), signal).then(
			(answer) => this.#applyLabels(answer),
			(error) => {
				// The poll loop meets the same error and acts on it.
				if (!signal.aborted) log("warn", `The coordinator did not accept the agent info: ${error.message}`);
			},
		);
	}

	/** Says goodbye, so that the coordinator need not wait for the leases to expire. */
	async bye(): Promise<void> {
		const json = { session: this.#number };
		const call = { method: "POST", path: "/api/v1/agents/self/bye", token: this.#token, json, timeoutMs: GOODBYE_TIMEOUT_MS } as const;
		await this.#parts.client.call(call).catch(() => undefined);
	}

	async #register(): Promise<Identity> {
		const { options, memory, client, signal } = this.#parts;
		const { token, tokenError, name } = options;
		if (!token) {
			const why = tokenError === null ? "has no registration token" : `could not read its registration token (${tokenError})`;
			throw new ApiError("authentication_required", `This agent is not registered and ${why}.`, {
				suggestions: ["Create a token with: windlass agent-tokens create. Write it to a file and start the agent with --token-file FILE."],
			});
		}
		const json = { registration_key: memory.registrationKey, name };
		const call = { method: "POST", path: "/api/v1/agents", token, json, signal } as const;
		const answer = await untilAnswered(
			() => client.fetch(registered, call),
			signal,
			(error) => log("warn", `The agent cannot register yet: ${error.message}`),
		);
		const identity = { id: answer.id, name: answer.name, token: answer.token, server: client.server };
		await memory.storeIdentity(identity);
		log("info", `registered as ${identity.name}`);
		return identity;
	}

	async #helloAs(identity: Identity): Promise<void> {
		const { client, memory, signal } = this.#parts;
		this.#token = identity.token;
		this.#number = await memory.nextSession();
		this.#instance = crypto.randomUUID();
		const call = this.#hello([]);
		const answer = await untilAnswered(
			() => client.fetch(helloAnswer, call),
			signal,
			(error) => log("warn", `The agent cannot reach the coordinator yet: ${error.message}`),
		);
		this.intervals = answer.intervals;
		this.#applyLabels(answer);
	}

	#hello(running: string[]) {
		const { info, signal } = this.#parts;
		const json: HelloBody = { protocol: PROTOCOL_VERSION, session: this.#number, instance: this.#instance, running, facts: info() };
		return { method: "POST", path: "/api/v1/agents/self/hello", token: this.#token, json, signal } as const;
	}

	/** Applies the labels that the coordinator accepts, and logs once which it ignores. */
	#applyLabels({ labels, ignored_labels }: HelloAnswer): void {
		if (labels) this.#parts.onLabels(labels);
		const ignored = ignored_labels.join(", ");
		if (ignored !== "" && ignored !== this.#loggedIgnored)
			log("warn", `the coordinator ignores the labels ${ignored}: the agent's registration token does not grant them`);
		this.#loggedIgnored = ignored;
	}
}

/** Whether the coordinator does not know the token, or no longer. */
function isUnknown(error: unknown): boolean {
	return error instanceof ApiError && error.code === "authentication_required";
}
