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
	"X-Content-Type-Options": "nosniff",
};

export const TEXT_STREAM_HEADERS = {
	"Content-Type": "text/plain; charset=utf-8",
	"Cache-Control": "no-store, no-transform",
	"X-Accel-Buffering": "no",
	"X-Content-Type-Options": "nosniff",
};

/** So much may wait for a reader before whoever writes has to. */
const BUFFERED_BYTES = 64 * 1024;

/**
 * A response that is written while it is read, at the reader's pace. When the reader goes away the next write fails and
 * `write` stops the producer by throwing.
 */
export function streamed(
	headers: Record<string, string>,
	produce: (write: (text: string | Uint8Array) => Promise<void>) => Promise<void>,
): Response {
	const encoder = new TextEncoder();
	let wanted = Promise.withResolvers<void>();
	let isGone = false;
	const body = new ReadableStream<Uint8Array>(
		{
			start(controller) {
				const write = async (text: string | Uint8Array) => {
					await wanted.promise;
					if (isGone) throw new Error("the reader has gone away");
					const chunk = typeof text === "string" ? encoder.encode(text) : text;
					if (chunk.byteLength === 0) return;
					controller.enqueue(chunk);
					if ((controller.desiredSize ?? 1) <= 0) wanted = Promise.withResolvers();
				};
				wanted.resolve();
				produce(write).then(
					() => isGone || controller.close(),
					(error) => isGone || controller.error(error),
				);
			},
			pull: () => wanted.resolve(),
			cancel() {
				isGone = true;
				wanted.resolve();
			},
		},
		new ByteLengthQueuingStrategy({ highWaterMark: BUFFERED_BYTES }),
	);
	return new Response(body, { headers });
}
