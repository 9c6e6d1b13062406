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
/** The coordinator closes connections that were idle for 15 s; the client must close them first. */
const KEEP_ALIVE_MS = 8_000;

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
	readonly #dispatcher: Dispatcher;

	/**
	 * @param ca certificates (PEM) to trust besides the system's. Proxies come from HTTP_PROXY,
	 * HTTPS_PROXY and NO_PROXY.
	 */
	constructor(server: string, { ca }: { ca: string | null }) {
		this.server = server.replace(/\/$/, "");
		const tls = ca === null ? {} : { ca: [...getCACertificates("default"), ca] };
		const { NO_PROXY = process.env.no_proxy ?? "" } = process.env;
		this.#dispatcher = new EnvHttpProxyAgent({
			// No proxy for this machine itself.
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
	 * Sends one request.
	 * @throws ApiError if the coordinator rejects it; Unreachable without a usable answer
	 */
	async call({ method, path, token, json, bytes, headers, timeoutMs = TIMEOUT_MS, signal }: Call): Promise<Answer> {
		// The deadline includes connecting, and the wait for a free connection.
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
			if (isLocalError(error)) throw error;
			throw new Unreachable(`${method} ${path}: ${describe(error)}`);
		}
		if (answer.status < 300) return answer;
		throw rejectionOf(answer, `${method} ${path}`);
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
			throw rejectionOf(
				{ status: response.statusCode, headers: response.headers, body: decode(await response.body.text()) },
				`GET ${path}`,
			);
		} catch (error) {
			if (signal.aborted) throw signal.reason;
			if (error instanceof ApiError || error instanceof Unreachable) throw error;
			throw new Unreachable(`GET ${path}: ${describe(error)}`);
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
			throw new Unreachable(`${call.method} ${call.path}: the answer is not the coordinator's. Check the address and the proxies`);
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
