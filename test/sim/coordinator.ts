import { ApiError } from "../../schema/wire/errors.ts";
import { manageAgentRoutes } from "../../worker/agents/api.ts";
import { agentRoutes } from "../../worker/agents/protocol_api.ts";
import { agentTokenRoutes } from "../../worker/agents/registration_tokens.ts";
import { attemptRoutes } from "../../worker/attempts/api.ts";
import type { Environment } from "../../worker/bindings.ts";
import { discoveryRoutes } from "../../worker/discovery/api.ts";
import { effectHandlers } from "../../worker/effect_handlers.ts";
import { errorAnswer } from "../../worker/http/answers.ts";
import { handleRoute } from "../../worker/http/handle_route.ts";
import type { Route } from "../../worker/http/route.ts";
import { identify } from "../../worker/identity/principal.ts";
import { jobRoutes } from "../../worker/jobs/api.ts";
import { LogShard } from "../../worker/logs/log_shard.ts";
import { QueueObject } from "../../worker/queue/dispatcher.ts";
import { runRoutes } from "../../worker/runs/api.ts";
import { rerunRoutes } from "../../worker/runs/reruns.ts";
import { queueRoutes } from "../../worker/system/pause.ts";
import { RecordDatabase } from "./platform/d1.ts";
import { namespaceOf, ObjectPlace } from "./platform/durable_objects.ts";
import { Bucket } from "./platform/r2.ts";
import { Life, type World } from "./world.ts";

/**
 * The coordinator: the product's own API handlers, Dispatcher and LogShards, in a process that can be killed, frozen, stopped as planned and
 * started again; the stores stay.
 */

export interface Letter {
	method: string;
	path: string;
	token: string | null;
	headers: Record<string, string>;
	body: Uint8Array | null;
}

export interface Reply {
	status: number;
	headers: Record<string, string>;
	body: string | null;
}

/** The times that a coordinator is set to. */
export type Times = Pick<Environment, "LEASE_TTL_MS" | "RENEW_MS" | "RENEW_TIMEOUT_MS" | "KILL_GRACE_MS" | "POLL_HOLD_MS">;

export const USER_TOKEN = "the-token-of-somebody";
const ROUTES: readonly Route[] = [
	...agentRoutes,
	...manageAgentRoutes,
	...agentTokenRoutes,
	...attemptRoutes,
	...runRoutes,
	...rerunRoutes,
	...jobRoutes,
	...queueRoutes,
	...discoveryRoutes,
];
/** The project whose repository is looked into; its forge gets no status, because its token is not set. */
export const PROJECT = "planned";
const SHARDS = 3;

class Dispatcher extends QueueObject {
	constructor(context: DurableObjectState, environment: Environment) {
		super(context, environment, effectHandlers);
	}
}

export class Coordinator {
	readonly record: RecordDatabase;
	readonly bucket: Bucket;
	readonly dispatcher: ObjectPlace;
	readonly shards: ObjectPlace[];
	/** When it was not there: from when to when, and what was the matter. The last one may be open. */
	readonly absences: { from: number; to: number }[] = [];
	readonly environment: Environment;
	readonly #world: World;
	#process: Life | null = null;
	#connections = new Set<() => void>();
	#boots = 0;
	/** Whether there is a host, which starts workerd again when that dies. */
	#hasHost = false;

	constructor(world: World, times: Times) {
		this.#world = world;
		this.record = new RecordDatabase(world);
		this.record.database.all(
			`INSERT INTO projects (id, team, name, repository, default_branch, hook_secret, forge, forge_token, created_at, updated_at)
			VALUES ('prj_01J00000000000000000000000', 'default', ?, 'https://git.test/team/repository.git', 'main', 'hook', 'gitea', 'token', 0, 0)`,
			PROJECT,
		);
		this.bucket = new Bucket(world);
		const places = new Map<string, ObjectPlace>();
		const find = (name: string) => places.get(name) as ObjectPlace;
		const environment = {
			...times,
			DISPATCHER: namespaceOf(find),
			LOG_SHARD: namespaceOf(find),
			SWEEPER: { getByName: () => ({ schedule: async () => undefined }) },
			METRICS: { getByName: () => ({ add: async () => undefined }) },
			AUDIT_LOG: { getByName: () => ({ append: async () => undefined }) },
			DB: this.record,
			BUCKET: this.bucket,
			SIGNING_KEY: "key",
			LOG_SHARDS: String(SHARDS),
			MAX_LOG_BYTES: "1000000",
			KEEP_RUNS_MS: "1",
			KEEP_LOGS_MS: "1",
			KEEP_ARTIFACTS_MS: "1",
			CACHE_PROJECT_BYTES: "1",
			CACHE_TOTAL_BYTES: "1",
			KEEP_CACHES_MS: "1",
			KEEP_AUDIT_MS: "1",
			LOG_LEVEL: "info",
			BOOT_ID: "",
		};
		this.environment = environment as unknown as Environment;
		const place = (name: string, type: unknown) => {
			const made = new ObjectPlace(world, name, type as never, environment);
			places.set(name, made);
			return made;
		};
		this.dispatcher = place("team:default", Dispatcher);
		this.shards = Array.from({ length: SHARDS }, (_, index) => place(`log:${index}`, LogShard));
	}

	get isUp(): boolean {
		return this.#process !== null;
	}

	get isFrozen(): boolean {
		return this.#process?.isFrozen ?? false;
	}

	/** @param isNewHost whether the host was started, too, or workerd alone by its host */
	start(isNewHost: boolean): void {
		if (this.#process || !(isNewHost || this.#hasHost)) return;
		if (isNewHost) {
			this.#hasHost = true;
			this.#boots += 1;
			this.environment.BOOT_ID = `boot ${this.#boots}`;
		}
		this.#endAbsence();
		this.#process = new Life("coordinator");
		for (const object of this.#objects) object.run(this.#process);
		if (!isNewHost) return;
		// The host has every queue opened before it lets anybody in.
		this.#notifyHost("prepare", "the host opens the queue");
	}

	/** The process is gone, from one step to the next; and its host with it. */
	killHost(): void {
		this.#hasHost = false;
		this.kill();
	}

	/** Workerd is gone, from one step to the next. */
	kill(): void {
		if (!this.#process) return;
		this.#process.end();
		this.#process = null;
		for (const object of this.#objects) object.stop();
		const connections = this.#connections;
		this.#connections = new Set();
		if (connections.size > 0) this.#world.strike("killed with calls under way");
		for (const reset of connections) reset();
		this.absences.push({ from: this.#world.now, to: Number.POSITIVE_INFINITY });
	}

	/** Tells every agent, waits a little, and goes. */
	stopAsPlanned(): void {
		const process = this.#process;
		if (!process) return;
		const stop = () => {
			if (this.#process === process) this.killHost();
		};
		this.#notifyHost("prepareStop", "a stop is planned");
		this.#world.naturally(2_000, "the coordinator stops as planned", stop);
	}

	/** The host asks something of the queue; that this may fail is a part of life. */
	#notifyHost(method: string, what: string): void {
		const ask = () => void this.dispatcher.call(method, []).catch(() => undefined);
		this.#world.after(0, what, ask, this.#process as Life);
	}

	/** SIGSTOP, a suspended machine, a busy hypervisor. */
	freeze(isFrozen: boolean): void {
		if (!this.#process || this.#process.isFrozen === isFrozen) return;
		this.#process.freeze(isFrozen);
		if (isFrozen) this.absences.push({ from: this.#world.now, to: Number.POSITIVE_INFINITY });
		else this.#endAbsence();
	}

	/** Steps the wall clock. */
	stepClock(ms: number): void {
		this.#world.wallOffset += ms;
		for (const object of this.#objects) object.clockStepped();
	}

	#endAbsence(): void {
		for (const absence of this.absences) absence.to = Math.min(absence.to, this.#world.now);
	}

	get #objects(): ObjectPlace[] {
		return [this.dispatcher, ...this.shards];
	}

	/** Takes a request. @param reset called if the connection breaks; null is given if nobody listens */
	receive(letter: Letter, reply: (reply: Reply) => void, reset: () => void): void {
		const process = this.#process;
		if (!process) {
			reset();
			return;
		}
		this.#connections.add(reset);
		const life = new Life(`${letter.method} ${letter.path}`, process);
		this.#world.after(
			0,
			`the coordinator takes ${letter.method} ${letter.path}`,
			async () => {
				const answer = await this.#answer(letter);
				if (this.#connections.delete(reset)) reply(answer);
			},
			life,
		);
	}

	async #answer(letter: Letter): Promise<Reply> {
		let response: Response;
		try {
			response = await this.#handle(letter);
		} catch (error) {
			response = errorAnswer(error instanceof ApiError ? error : fault(error), "request");
		}
		const { status, headers, body } = response as unknown as { status: number; headers: Headers; body: string | null };
		return { status, headers: Object.fromEntries(headers), body };
	}

	async #handle({ method, path, token, headers, body }: Letter): Promise<Response> {
		const url = new URL(path, "http://coordinator");
		const length = body === null ? {} : { "Content-Length": String(body.length) };
		const all = new Headers({ ...headers, ...length, ...(token === null ? {} : { Authorization: `Bearer ${token}` }) });
		const arrayBuffer = async () => body ?? new Uint8Array();
		const request = { method, url: url.href, headers: all, body: body && [body], arrayBuffer } as unknown as Request;
		const { route, params } = routeOf(method, url.pathname);
		const client = { address: "an agent", scheme: null };
		const principal = await identify(this.environment, request, client, false);
		if (!route.allow.includes(principal.kind)) throw new ApiError("forbidden", "This is not for you.");
		const { environment } = this;
		const shell = { requestId: "request", baseUrl: url.origin, ownOrigins: [], noted: {}, mayPost: () => true };
		return handleRoute(route, { request, url, params, principal, client, environment, ...shell });
	}
}

/** What the shell of the Worker makes of an error that is none of ours. */
function fault(error: unknown): ApiError {
	if ((error as { retryable?: boolean }).retryable)
		return new ApiError("unavailable", "The object was reset.", { headers: { "Retry-After": "2" } });
	if (/^Error: (D1|R2)_ERROR/.test(String((error as Error).cause ?? error))) return new ApiError("internal", String(error));
	throw error;
}

function routeOf(method: string, pathname: string): { route: Route; params: Record<string, string> } {
	const parts = pathname.split("/");
	for (const route of ROUTES) {
		const wanted = route.path.split("/");
		if (route.method !== method || wanted.length !== parts.length) continue;
		if (!wanted.every((part, index) => part.startsWith(":") || part === parts[index])) continue;
		const named = wanted.flatMap((part, index) => (part.startsWith(":") ? [[part.slice(1), parts[index] as string]] : []));
		return { route, params: Object.fromEntries(named) };
	}
	throw new Error(`there is no route ${method} ${pathname}`);
}
