import type { ApiError, ErrorBody } from "../../schema/wire/errors.ts";

/** An answer in JSON. */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
	return new Response(`${JSON.stringify(body)}\n`, {
		status,
		headers: { "Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store", ...headers },
	});
}

/** The one shape of every error. */
export function errorAnswer(error: ApiError, requestId: string): Response {
	const body: ErrorBody = {
		error: error.code,
		message: error.message,
		details: error.details,
		suggestions: error.suggestions,
		timestamp: new Date().toISOString(),
		request_id: requestId,
	};
	return json(body, error.status, error.headers);
}

export const SSE_HEADERS = {
	"Content-Type": "text/event-stream; charset=utf-8",
	"Cache-Control": "no-store, no-transform",
	"X-Accel-Buffering": "no",
};

export const TEXT_STREAM_HEADERS = {
	"Content-Type": "text/plain; charset=utf-8",
	"Cache-Control": "no-store, no-transform",
	"X-Accel-Buffering": "no",
	"X-Content-Type-Options": "nosniff",
};

/**
 * A response that is written while it is read, at the reader's pace. When the reader goes away the next write fails and
 * `write` stops the producer by throwing.
 */
export function streamed(
	headers: Record<string, string>,
	produce: (write: (text: string | Uint8Array) => Promise<void>) => Promise<void>,
): Response {
	const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
	const writer = writable.getWriter();
	const encoder = new TextEncoder();
	const write = (text: string | Uint8Array) => writer.write(typeof text === "string" ? encoder.encode(text) : text);
	produce(write).then(
		() => writer.close().catch(() => undefined),
		(error) => writer.abort(error).catch(() => undefined),
	);
	return new Response(readable, { headers });
}
