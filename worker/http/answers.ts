import type { ApiError, ErrorBody } from "../../schema/wire/errors.ts";

const encoder = new TextEncoder();

/** An answer in JSON. With its length, compression need not read ahead. */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
	const bytes = encoder.encode(`${JSON.stringify(body)}\n`);
	return new Response(bytes, {
		status,
		headers: {
			"Content-Type": "application/json; charset=utf-8",
			"Content-Length": String(bytes.byteLength),
			"Cache-Control": "no-store",
			...headers,
		},
	});
}

/** The shape of every error. */
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

/** How much may be buffered before the producer waits for the reader. */
const BUFFERED_BYTES = 64 * 1024;

/**
 * A response that is produced at the reader's pace. After a client disconnect, the next `write`
 * throws, which stops the producer.
 */
export function streamed(
	headers: Record<string, string>,
	produce: (write: (text: string | Uint8Array) => Promise<void>) => Promise<void>,
): Response {
	let demand = Promise.withResolvers<void>();
	let isDisconnected = false;
	const body = new ReadableStream<Uint8Array>(
		{
			start(controller) {
				const write = async (text: string | Uint8Array) => {
					await demand.promise;
					if (isDisconnected) throw new Error("the client has disconnected");
					const chunk = typeof text === "string" ? encoder.encode(text) : text;
					if (chunk.byteLength === 0) return;
					controller.enqueue(chunk);
					if ((controller.desiredSize ?? 1) <= 0) demand = Promise.withResolvers();
				};
				demand.resolve();
				produce(write).then(
					() => isDisconnected || controller.close(),
					(error) => isDisconnected || controller.error(error),
				);
			},
			pull: () => demand.resolve(),
			cancel() {
				isDisconnected = true;
				demand.resolve();
			},
		},
		new ByteLengthQueuingStrategy({ highWaterMark: BUFFERED_BYTES }),
	);
	return new Response(body, { headers });
}
