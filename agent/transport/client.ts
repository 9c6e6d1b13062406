import type { Readable } from "node:stream";
import { getCACertificates } from "node:tls";
import { type Dispatcher, EnvHttpProxyAgent, errors, request } from "undici";
import type * as z from "zod";
import { ApiError, ERROR_STATUS, type ErrorCode, errorBody } from "../../schema/wire/errors.ts";
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
	token: string;
	timeoutMs: number;
	signal: AbortSignal;
}

export interface StreamAnswer {
	headers: Record<string, string | string[] | undefined>;
	body: Readable;
}

export interface Answer {
	status: number;
	headers: Record<string, string | string[] | undefined>;
	body: unknown;
}

const TIMEOUT_MS = 30_000;
/** The coordinator closes connections that were idle for 15 s; ours must go first. */
const KEEP_ALIVE_MS = 8_000;

/** What the agent's protocol needs of its way to the coordinator. */
export type Coordinator = Pick<Client, "server" | "call" | "fetch">;
/** The same with files on the way. */
export type FileCoordinator = Pick<Client, "server" | "call" | "fetch" | "stream">;

/**
 * The agent's way to the coordinator. Nothing is repeated here: whoever calls knows what may be, and uses `untilAnswered`.
 */
export class Client {
	readonly server: string;
	readonly #dispatcher: Dispatcher;

	/** @param ca certificates (PEM) to trust beside the system's. Proxies are taken from HTTP_PROXY, HTTPS_PROXY and NO_PROXY. */
	constructor(server: string, { ca }: { ca: string | null }) {
		this.server = server.replace(/\/$/, "");
		const tls = ca === null ? {} : { ca: [...getCACertificates("default"), ca] };
		const { NO_PROXY = process.env.no_proxy ?? "" } = process.env;
		this.#dispatcher = new EnvHttpProxyAgent({
			// This machine itself is never reached through a proxy.
			noProxy: [NO_PROXY, "localhost", "127.0.0.1", "[::1]"].filter(Boolean).join(","),
			keepAliveTimeout: KEEP_ALIVE_MS,
			keepAliveMaxTimeout: KEEP_ALIVE_MS,
			connect: { timeout: 10_000, ...tls },
			requestTls: { timeout: 10_000, ...tls },
			proxyTls: tls,
			connections: 64,
		});
	}

	/**
	 * One request.
	 * @throws ApiError for a refusal of the coordinator; Unreachable where there is none to be had
	 */
	async call({ method, path, token, json, bytes, headers, timeoutMs = TIMEOUT_MS, signal }: Call): Promise<Answer> {
		// Connecting and waiting for a free connection count, too.
		const deadline = AbortSignal.timeout(timeoutMs);
		let answer: Answer;
		try {
			const response = await request(this.server + path, {
				method,
				dispatcher: this.#dispatcher,
				headersTimeout: timeoutMs,
				bodyTimeout: timeoutMs,
				headers: {
					...(token === null ? {} : { Authorization: `Bearer ${token}` }),
					...(json === undefined ? {} : { "Content-Type": "application/json" }),
					...headers,
				},
				body: json === undefined ? (bytes ?? null) : JSON.stringify(json),
				signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
			});
			answer = { status: response.statusCode, headers: response.headers, body: decode(await response.body.text()) };
		} catch (error) {
			if (signal?.aborted) throw signal.reason;
			if (isOwnFault(error)) throw error;
			throw new Unreachable(`${method} ${path}: ${describe(error)}`);
		}
		if (answer.status < 300) return answer;
		throw refusalOf(answer, `${method} ${path}`);
	}

	/**
	 * A GET whose body is streamed.
	 * @throws as `call` does
	 */
	async stream({ path, token, timeoutMs, signal }: StreamCall): Promise<StreamAnswer> {
		try {
			const response = await request(this.server + path, {
				method: "GET",
				dispatcher: this.#dispatcher,
				headersTimeout: TIMEOUT_MS,
				bodyTimeout: TIMEOUT_MS,
				headers: { Authorization: `Bearer ${token}` },
				signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
			});
			if (response.statusCode < 300) return { headers: response.headers, body: response.body };
			throw refusalOf({ status: response.statusCode, headers: response.headers, body: decode(await response.body.text()) }, `GET ${path}`);
		} catch (error) {
			if (signal.aborted) throw signal.reason;
			if (error instanceof ApiError || error instanceof Unreachable) throw error;
			throw new Unreachable(`GET ${path}: ${describe(error)}`);
		}
	}

	/** One request whose answer has this shape. An answer that does not is a proxy's page: it is to be tried again. */
	async fetch<Schema extends z.ZodType>(schema: Schema, call: Call): Promise<z.infer<Schema>> {
		const { body } = await this.call(call);
		const parsed = schema.safeParse(body);
		if (!parsed.success) throw new Unreachable(`${call.method} ${call.path}: the answer is not the coordinator's`);
		return parsed.data;
	}

	async close(): Promise<void> {
		await this.#dispatcher.destroy();
	}
}

function decode(text: string): unknown {
	try {
		return text === "" ? null : JSON.parse(text);
	} catch {
		return undefined;
	}
}

/** What an answer that is no success comes to: a refusal, or something to be tried again. */
export function refusalOf({ status, body, headers }: Answer, what: string): Error {
	const parsed = errorBody.safeParse(body);
	const isKnown = parsed.success && parsed.data.error in ERROR_STATUS;
	if (!isKnown || status >= 500 || status === 429) {
		return new Unreachable(`${what}: ${parsed.success ? parsed.data.message : `status ${status}`}`, retryAfterMs(headers["retry-after"]));
	}
	const { error, message, details, suggestions } = parsed.data;
	return new ApiError(error as ErrorCode, message, { details, suggestions });
}

const LONGEST_RETRY_AFTER_S = 60;

function retryAfterMs(header: string | string[] | undefined): number {
	const seconds = Number(header ?? 0);
	return Number.isFinite(seconds) ? Math.min(LONGEST_RETRY_AFTER_S, Math.max(0, seconds)) * 1000 : 0;
}

/** What no repetition mends: a file that is gone, cannot be read, or has not the length that was announced. */
function isOwnFault(error: unknown): boolean {
	const isLength = error instanceof errors.RequestContentLengthMismatchError || error instanceof errors.InvalidArgumentError;
	const { path, syscall } = error as { path?: unknown; syscall?: unknown };
	return isLength || (typeof path === "string" && (syscall === "open" || syscall === "read"));
}

function describe(error: unknown): string {
	if (error instanceof DOMException && error.name === "TimeoutError") return "no answer in time";
	if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError) return "no answer in time";
	const { code, message } = error as { code?: string; message?: string };
	return message || code || String(error);
}
