import { DurableObject } from "cloudflare:workers";
import type { Environment, HostFacts, Metrics as MetricsRpc } from "../bindings.ts";
import { setLogLevel } from "../platform/logger.ts";
import { addRequests, noRequests, type RequestCounts } from "./answered_requests.ts";

const REQUESTS = "requests";

/** Counts the requests that all isolates have answered, and keeps what the host says of its machine. */
export class Metrics extends DurableObject<Environment> implements MetricsRpc {
	#requests: RequestCounts = noRequests();
	/** Of the machine; null until the host has said it, and on Cloudflare. */
	#facts: HostFacts | null = null;

	constructor(context: DurableObjectState, environment: Environment) {
		super(context, environment);
		setLogLevel(environment.LOG_LEVEL);
		void context.blockConcurrencyWhile(async () => {
			this.#requests = (await context.storage.get<RequestCounts>(REQUESTS)) ?? noRequests();
		});
	}

	async add(counts: RequestCounts): Promise<void> {
		addRequests(this.#requests, counts);
		await this.ctx.storage.put(REQUESTS, this.#requests);
	}

	async setFacts(facts: HostFacts): Promise<void> {
		this.#facts = facts;
	}

	async read(): Promise<{ requests: RequestCounts; facts: HostFacts | null }> {
		return { requests: this.#requests, facts: this.#facts };
	}
}
