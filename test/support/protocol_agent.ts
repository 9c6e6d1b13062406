import { randomUUID } from "node:crypto";
import {
	type Assignment,
	assignment,
	type Finish,
	type FinishBody,
	finish,
	helloAnswer,
	type Offer,
	type PollAnswer,
	pollAnswer,
	type ResultBody,
	registered,
} from "../../schema/wire/protocol.ts";

/** An answer as it came, for tests that look at refusals. */
export interface RawAnswer {
	status: number;
	headers: Headers;
	body: { error?: string; details?: Record<string, unknown> } & Record<string, unknown>;
}

/** An agent that speaks the protocol and runs nothing: what it is told to say it says. */
export class ProtocolAgent {
	readonly url: string;
	readonly token: string;
	session = 1;
	#seq = 0;
	/** What it has claimed and not finished. */
	readonly #running = new Set<string>();

	readonly #facts: object;

	private constructor(url: string, token: string, facts: object) {
		this.url = url;
		this.token = token;
		this.#facts = facts;
	}

	static async join(url: string, registrationToken: string, name: string, slots = 1): Promise<ProtocolAgent> {
		const { body } = await send(url, "POST", "/api/v1/agents", registrationToken, { name, registration_key: randomUUID() });
		const agent = new ProtocolAgent(url, registered.parse(body).token, { version: "test", slots, labels: ["test", name], facts: {} });
		await agent.hello(1);
		return agent;
	}

	/** Opens a session. */
	async hello(session: number): Promise<void> {
		this.session = session;
		const hello = { protocol: 2, session, instance: randomUUID(), running: [], facts: this.#facts };
		helloAnswer.parse((await this.say("POST", "/api/v1/agents/self/hello", hello)).body);
	}

	say(method: string, path: string, body: unknown): Promise<RawAnswer> {
		return send(this.url, method, path, this.token, body);
	}

	/** Polls; the answer comes when there is something, or with nothing when the hold is over. */
	async poll(slotsFree = 1): Promise<Offer[]> {
		this.#seq += 1;
		const { body } = await this.say("POST", "/api/v1/agents/self/poll", {
			protocol: 2,
			session: this.session,
			seq: this.#seq,
			slots_free: slotsFree,
			running: [...this.#running],
		});
		return pollAnswer.parse(body).offers;
	}

	/** Polls with results. @returns the whole answer, which comes at once */
	async deliver(results: readonly ResultBody[], slotsFree = 0): Promise<PollAnswer> {
		this.#seq += 1;
		const running = [...this.#running, ...results.map(({ attempt_id }) => attempt_id)];
		const body = { protocol: 2, session: this.session, seq: this.#seq, slots_free: slotsFree, running, results };
		return pollAnswer.parse((await this.say("POST", "/api/v1/agents/self/poll", body)).body);
	}

	/** The next offer, however many polls it takes. */
	async nextOffer(): Promise<Offer> {
		for (;;) {
			const [offer] = await this.poll();
			if (offer) return offer;
		}
	}

	async attempt(offer: Offer, method: string, action: string, body: unknown = {}): Promise<RawAnswer> {
		if (action === "start") this.#running.add(offer.attempt_id);
		const answer = await send(this.url, method, `/api/v1/attempts/${offer.attempt_id}/${action}`, offer.lease_token, body);
		if (action === "finish" && answer.status === 200) this.#running.delete(offer.attempt_id);
		return answer;
	}

	async start(offer: Offer): Promise<Assignment> {
		return assignment.parse((await this.attempt(offer, "POST", "start")).body);
	}

	log(offer: Offer, offset: number, text: string): Promise<RawAnswer> {
		return send(this.url, "PATCH", `/api/v1/attempts/${offer.attempt_id}/log`, offer.lease_token, text, {
			"Upload-Offset": String(offset),
		});
	}
}

/** A result as an agent delivers it. */
export function result(overrides: Partial<FinishBody> = {}): Finish {
	return finish.parse({
		state: "succeeded",
		exit_code: 0,
		reason: null,
		log: { bytes: 0, sha256: null, incomplete: false },
		steps: [],
		artifacts: [],
		...overrides,
	});
}

export async function send(
	url: string,
	method: string,
	path: string,
	token: string | null,
	body: unknown,
	headers: Record<string, string> = {},
): Promise<RawAnswer> {
	const response = await fetch(new URL(path, url), {
		method,
		headers: { ...(token === null ? {} : { Authorization: `Bearer ${token}` }), ...headers },
		...(body === null ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
	});
	const text = await response.text();
	return { status: response.status, headers: response.headers, body: text === "" ? {} : JSON.parse(text) };
}
