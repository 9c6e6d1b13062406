import type * as z from "zod";
import { type Answer, type Coordinator as CoordinatorClient, rejectionOf } from "../../agent/transport/client.ts";
import { Unreachable } from "../../agent/transport/retry.ts";
import type { Coordinator, Reply } from "./coordinator.ts";
import type { World } from "./world.ts";

/** What the network does to each request. */
export interface Weather {
	/** How likely a request, or its answer, is lost. */
	loss: number;
	/** How likely a request arrives twice: something in between has tried it again. */
	repeat: number;
	/** How likely it takes long. */
	slow: number;
}

const FAIR: Weather = { loss: 0, repeat: 0, slow: 0 };

const TIMEOUT_MS = 30_000;
const LATENCY_MS = 60;
const SLOW_MS = 25_000;
const REFUSED_MS = 3;

export class Network {
	/** What it is when nothing is the matter; no network is ever quite without fault. */
	#ordinary: Weather;
	weather: Weather;
	readonly #world: World;
	readonly #coordinator: Coordinator;
	/** Who is cut off from the coordinator. */
	readonly cutOff = new Set<string>();

	constructor(world: World, coordinator: Coordinator) {
		this.#world = world;
		this.#coordinator = coordinator;
		const { random } = world;
		this.#ordinary = { loss: random.unit() * 0.02, repeat: random.unit() * 0.04, slow: random.unit() * 0.04 };
		this.weather = this.#ordinary;
	}

	/** The storm is over. */
	calm(): void {
		this.weather = this.#ordinary;
	}

	/** From here on nothing is lost, repeated or late. */
	mend(): void {
		this.#ordinary = FAIR;
		this.weather = FAIR;
	}

	/** The way of one party to the coordinator. */
	client(party: string): Client {
		return new Client(this.#world, this, party);
	}

	/** Carries a request there, and perhaps an answer back. */
	carry(party: string, call: Parameters<Client["call"]>[0], onReply: (reply: Reply) => void, onReset: () => void): void {
		const body =
			call.json === undefined ? ((call.bytes as Uint8Array | undefined) ?? null) : new TextEncoder().encode(JSON.stringify(call.json));
		const letter = { method: call.method, path: call.path, token: call.token, headers: call.headers ?? {}, body };
		const what = `${party} → ${call.method} ${call.path}`;
		const times = this.#happens("repeat") ? 2 : 1;
		for (let time = 0; time < times; time += 1) {
			if (this.#isLost(party, "request")) continue;
			this.#world.naturally(this.#delay(), `${what} arrives`, () => {
				if (this.cutOff.has(party)) return;
				this.#coordinator.receive(
					letter,
					(reply) => {
						if (!this.#isLost(party, "answer"))
							this.#world.naturally(this.#delay(), `${what} is answered ${reply.status}`, () => onReply(reply));
					},
					() => this.#world.naturally(REFUSED_MS, `${what} finds nobody`, onReset),
				);
			});
		}
	}

	#isLost(party: string, what: "request" | "answer"): boolean {
		const isLost = this.cutOff.has(party) || this.#happens("loss");
		if (isLost) this.#world.strike(`${what} lost`);
		return isLost;
	}

	#happens(kind: keyof Weather): boolean {
		const happens = this.#world.random.chance(this.weather[kind]);
		if (happens && kind !== "loss") this.#world.strike(`request ${kind === "slow" ? "or answer slow" : "repeated"}`);
		return happens;
	}

	#delay(): number {
		return this.#happens("slow") ? this.#world.random.below(SLOW_MS) : this.#world.random.between(1, LATENCY_MS);
	}
}

/** In place of the agent's HTTP client; what it makes of answers is the agent's own. */
class Client implements CoordinatorClient {
	readonly server = "http://coordinator";
	readonly #world: World;
	readonly #network: Network;
	readonly #party: string;

	constructor(world: World, network: Network, party: string) {
		this.#world = world;
		this.#network = network;
		this.#party = party;
	}

	call(call: Parameters<CoordinatorClient["call"]>[0]): Promise<Answer> {
		const world = this.#world;
		const { life } = world;
		const { method, path, timeoutMs = TIMEOUT_MS, signal } = call;
		return new Promise((resolve, reject) => {
			if (signal?.aborted) return reject(signal.reason);
			let isOpen = true;
			const close = (settle: () => void) => () => {
				if (!isOpen) return;
				isOpen = false;
				timer.isCancelled = true;
				signal?.removeEventListener("abort", abort);
				settle();
			};
			const fail = (why: string) => close(() => reject(new Unreachable(`${method} ${path}: ${why}`)));
			const timer = world.after(timeoutMs, `${this.#party} waits no longer for ${method} ${path}`, fail("no answer in time"));
			const abort = close(() => reject(signal?.reason));
			signal?.addEventListener("abort", abort);
			this.#network.carry(
				this.#party,
				call,
				(reply) =>
					void world.after(
						0,
						`${this.#party} has its answer to ${method} ${path}: ${reply.status}`,
						close(() => settle(reply)),
						life,
					),
				() => void world.after(0, `${this.#party} cannot reach ${method} ${path}`, fail("the connection was reset"), life),
			);
			const settle = ({ status, headers, body }: Reply) => {
				const answer = { status, headers, body: body ? JSON.parse(body) : null };
				if (status < 300) resolve(answer);
				else reject(rejectionOf(answer, `${method} ${path}`));
			};
		});
	}

	async fetch<Schema extends z.ZodType>(schema: Schema, call: Parameters<CoordinatorClient["call"]>[0]): Promise<z.infer<Schema>> {
		return schema.parse((await this.call(call)).body);
	}
}
