import type { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import { ApiError, ERROR_STATUS, type ErrorCode, errorBody } from "../schema/wire/errors.ts";
import { UsageError } from "./usage_error.ts";

/** Requests of the commands to a coordinator. */

/** No server answers, or one that is no coordinator: the coordinator may be restarting. */
export class NoAnswer extends UsageError {}

export interface RequestOptions {
	method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
	json?: unknown;
	/** A body with its media type. */
	body?: { type: string; bytes: string | Uint8Array | Readable; length?: number };
	headers?: Record<string, string>;
	/** How long the answer may take; without it as long as it takes. */
	timeoutMs?: number;
}

/**
 * Sends a request.
 * @param token null: the address needs none
 * @throws ApiError for an error of the coordinator, NoAnswer if no coordinator answers
 */
export async function askCoordinator(
	server: string,
	path: string,
	token: string | null,
	options: RequestOptions,
): Promise<Dispatcher.ResponseData> {
	const { method = "GET", json, body, headers, timeoutMs } = options;
	let answer: Dispatcher.ResponseData;
	// Loaded here: `serve` needs only the options.
	const { request } = await import("undici");
	try {
		answer = await request(server + path, {
			...{ method, headersTimeout: 0, bodyTimeout: 0 },
			...(timeoutMs !== undefined && { signal: AbortSignal.timeout(timeoutMs) }),
			headers: {
				...(token === null ? {} : { Authorization: `Bearer ${token}` }),
				...(json === undefined ? {} : { "Content-Type": "application/json" }),
				...(body ? { "Content-Type": body.type } : {}),
				...(body?.length === undefined ? {} : { "Content-Length": String(body.length) }),
				...headers,
			},
			body: json === undefined ? (body?.bytes ?? null) : JSON.stringify(json),
		});
	} catch (error) {
		throw noAnswer(server, error);
	}
	if (answer.statusCode < 300) return answer;
	throw errorOf(answer.statusCode, await answer.body.text());
}

export function noAnswer(server: string, error: unknown): NoAnswer {
	return new NoAnswer(
		`The coordinator at ${server} does not answer: ${(error as Error).message || (error as { code?: string }).code}. Start it, or set --server.`,
	);
}

function errorOf(status: number, text: string): Error {
	try {
		const parsed = errorBody.parse(JSON.parse(text));
		if (parsed.error in ERROR_STATUS) return new ApiError(parsed.error as ErrorCode, parsed.message, parsed);
	} catch {
		// No error of a coordinator, such as a proxy's page.
	}
	return new NoAnswer(`The answer with status ${status} is not from a coordinator. Check --server, and the proxy in front of it.`);
}
