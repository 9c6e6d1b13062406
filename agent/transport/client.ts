import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import type * as z from "zod";
import { ApiError, ERROR_STATUS, type ErrorCode, errorBody } from "../../schema/wire/errors.ts";
import { BodyUnusable, type Connections, NoAnswerInTime } from "./connections.ts";
import { Unreachable } from "./retry.ts";

export interface Call {
	method: "GET" | "POST" | "PUT" | "PATCH";
	path: string;
	token: string | null;
	json?: unknown;
	bytes?: Uint8Array | Readable;
	headers?: Record<string, string>;
	timeoutMs?: number;
	signal?: AbortSignal;
}

export interface StreamCall {
	path: string;
	token: string | null;
	timeoutMs: number;
	signal: AbortSignal;
}

export interface StreamAnswer {
	headers: IncomingHttpHeaders;
	body: Readable;
}

export interface Answer {
	status: number;
	headers: IncomingHttpHeaders;
	body: unknown;
}

const TIMEOUT_MS = 30_000;

/** The coordinator's API, for requests that fit into memory. */
export type Coordinator = Pick<Client, "server" | "call" | "fetch">;
/** The coordinator's API with streams of files. */
export type FileCoordinator = Pick<Client, "server" | "call" | "fetch" | "stream">;

/**
 * The HTTP client for the coordinator's API. It repeats no request: the caller knows which may be
 * repeated (retry.ts).
 */
export class Client {
	readonly server: string;
	readonly #ca: string | null;
	#connections: Promise<Connections> | null = null;

	/**
	 * @param ca certificates (PEM) to trust besides the system's. Proxies come from HTTP_PROXY,
	 * HTTPS_PROXY and NO_PROXY.
	 */
	constructor(server: string, { ca }: { ca: string | null }) {
		this.server = server.replace(/\/$/, "");
		this.#ca = ca;
	}

	/**
	 * Sends one request.
	 * @throws ApiError if the coordinator rejects it; Unreachable without a usable answer
	 */
	async call({ method, path, token, json, bytes, headers, timeoutMs = TIMEOUT_MS, signal }: Call): Promise<Answer> {
		// The deadline includes connecting, and the wait for a free connection.
		const limit = new Limit(timeoutMs, signal);
		let answer: Answer;
		try {
			const response = await (await this.#open()).send({
				method,
				url: this.server + path,
				headers: {
					...(token === null ? {} : { Authorization: `Bearer ${token}` }),
					...(json === undefined ? {} : { "Content-Type": "application/json" }),
					...headers,
				},
				body: json === undefined ? (bytes ?? null) : JSON.stringify(json),
				quietTimeoutMs: null,
				signal: limit.signal,
			});
			answer = { status: response.status, headers: response.headers, body: decode(await text(response.body)) };
		} catch (error) {
			if (signal?.aborted) throw signal.reason;
			if (isLocalError(error)) throw error;
			throw new Unreachable(`${shown(method, path)}: ${describe(error)}`);
		} finally {
			limit.end();
		}
		if (answer.status < 300) return answer;
		throw rejectionOf(answer, shown(method, path));
	}

	/**
	 * A GET whose body is streamed.
	 * @throws as `call` does
	 */
	async stream({ path, token, timeoutMs, signal }: StreamCall): Promise<StreamAnswer> {
		const limit = new Limit(timeoutMs, signal);
		try {
			const { status, headers, body } = await (await this.#open()).send({
				method: "GET",
				url: this.server + path,
				headers: token === null ? {} : { Authorization: `Bearer ${token}` },
				body: null,
				quietTimeoutMs: TIMEOUT_MS,
				signal: limit.signal,
			});
			body.once("close", () => limit.end());
			if (status < 300) return { headers, body };
			throw rejectionOf({ status, headers, body: decode(await text(body)) }, shown("GET", path));
		} catch (error) {
			limit.end();
			if (signal.aborted) throw signal.reason;
			if (error instanceof ApiError || error instanceof Unreachable) throw error;
			throw new Unreachable(`${shown("GET", path)}: ${describe(error)}`);
		}
	}

	/**
	 * Sends one request and parses the answer. An invalid answer is a proxy's page, so it counts as
	 * Unreachable.
	 */
	async fetch<Schema extends z.ZodType>(schema: Schema, call: Call): Promise<z.infer<Schema>> {
		const { body } = await this.call(call);
		const parsed = schema.safeParse(body);
		if (!parsed.success)
			throw new Unreachable(`${shown(call.method, call.path)}: the answer is not the coordinator's. Check the address and the proxies`);
		return parsed.data;
	}

	async close(): Promise<void> {
		await (await this.#connections)?.close();
	}

	#open(): Promise<Connections> {
		this.#connections ??= openConnections(this.server, this.#ca);
		return this.#connections;
	}
}

/** The variables that name a proxy. */
const PROXIES = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"];
/** The agent reaches its own machine without a proxy. */
const OWN_MACHINE: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

async function openConnections(server: string, ca: string | null): Promise<Connections> {
	if (OWN_MACHINE.has(new URL(server).hostname) || !PROXIES.some((name) => process.env[name])) {
		const { DirectConnections } = await import("./direct_connections.ts");
		return DirectConnections.open(server, ca);
	}
	const { ProxiedConnections } = await import("./proxied_connections.ts");
	return new ProxiedConnections(ca);
}

/** A signed token in a path is a credential. */
const SIGNED = /[\w-]{10,}\.[\w-]+\.[\w-]+/g;

/** A request, for a message that may end up in the log of a job. */
function shown(method: string, path: string): string {
	return `${method} ${path.replace(SIGNED, "***")}`;
}

/** Aborts a request when its time is over, or when its caller aborts it. */
class Limit {
	readonly #controller = new AbortController();
	readonly #timer: NodeJS.Timeout;
	readonly #outer: AbortSignal | undefined;
	readonly #onAbort = () => this.#controller.abort(this.#outer?.reason);

	constructor(timeoutMs: number, outer: AbortSignal | undefined) {
		this.#outer = outer;
		this.#timer = setTimeout(() => this.#controller.abort(new NoAnswerInTime()), timeoutMs);
		if (outer?.aborted) this.#onAbort();
		else outer?.addEventListener("abort", this.#onAbort, { once: true });
	}

	get signal(): AbortSignal {
		return this.#controller.signal;
	}

	end(): void {
		clearTimeout(this.#timer);
		this.#outer?.removeEventListener("abort", this.#onAbort);
	}
}

function decode(text: string): unknown {
	try {
		return text === "" ? null : JSON.parse(text);
	} catch {
		return undefined;
	}
}

/**
 * The error of an answer: an ApiError if the coordinator rejects the request, Unreachable if a
 * retry may succeed.
 */
export function rejectionOf({ status, body, headers }: Answer, what: string): Error {
	const parsed = errorBody.safeParse(body);
	const isKnown = parsed.success && parsed.data.error in ERROR_STATUS;
	if (!isKnown || status >= 500 || status === 429) {
		return new Unreachable(`${what}: ${parsed.success ? parsed.data.message : `status ${status}`}`, retryAfterMs(headers["retry-after"]));
	}
	const { error, message, details, suggestions } = parsed.data;
	return new ApiError(error as ErrorCode, message, { details, suggestions });
}

const MAX_RETRY_AFTER_S = 60;

function retryAfterMs(header: string | string[] | undefined): number {
	const seconds = Number(header ?? 0);
	return Number.isFinite(seconds) ? Math.min(MAX_RETRY_AFTER_S, Math.max(0, seconds)) * 1000 : 0;
}

/**
 * An error that no retry fixes: a file that cannot be read, or does not have the announced length.
 */
function isLocalError(error: unknown): boolean {
	const { path, syscall } = error as { path?: unknown; syscall?: unknown };
	return error instanceof BodyUnusable || (typeof path === "string" && (syscall === "open" || syscall === "read"));
}

function describe(error: unknown): string {
	const { code, message } = error as { code?: string; message?: string };
	return message || code || String(error);
}
