import { ApiError } from "../../schema/wire/errors.ts";

/** Bodies that come with gzip (Content-Encoding; RFC 9110, 8.4). What they unpack to is held to the limit of their route. */

/** What is given to gzip at a time: it may come to a thousand times as much. */
const PIECE_BYTES = 4 * 1024;
/** What does not get shorter gets a little longer. */
const OVERHEAD_BYTES = 64 * 1024;

/** Whether the body is packed. @throws ApiError `unsupported_media_type` for other encodings than gzip */
export function isPacked(request: Request): boolean {
	const encodings = encodingsOf(request);
	if (encodings.length === 0) return false;
	if (encodings.length === 1 && /^(?:x-)?gzip$/.test(encodings[0] as string)) return true;
	throw unsupported(request, "gzip, identity", "Send the body with gzip, or as it is.");
}

/** For bodies that are kept as they come. @throws ApiError `unsupported_media_type` for any encoding */
export function assertNotEncoded(request: Request): void {
	if (encodingsOf(request).length > 0) throw unsupported(request, "identity", "Send the bytes themselves, without Content-Encoding.");
}

function encodingsOf(request: Request): string[] {
	const names = (request.headers.get("Content-Encoding") ?? "").split(",").map((name) => name.trim().toLowerCase());
	return names.filter((name) => name !== "" && name !== "identity");
}

function unsupported(request: Request, accepted: string, suggestion: string): ApiError {
	const sent = JSON.stringify(request.headers.get("Content-Encoding")?.slice(0, 100));
	return new ApiError("unsupported_media_type", `The Content-Encoding ${sent} is not supported here; possible: ${accepted}.`, {
		details: { accepted: accepted.split(", ") },
		suggestions: [suggestion],
		headers: { "Accept-Encoding": accepted },
	});
}

/**
 * The body of a request, unpacked where it is packed; null without one. Whoever reads it counts what comes.
 * @param limit how many bytes it may unpack to
 * @throws ApiError `unsupported_media_type`; while it is read `too_large` for more packed bytes than that, `malformed` for what is no gzip
 */
export function unpackedBody(request: Request, limit: number): ReadableStream<Uint8Array> | null {
	if (!isPacked(request)) return request.body;
	if (!request.body) return null;
	const reader = request.body.getReader();
	let rest: Uint8Array = new Uint8Array();
	let packed = 0;
	const pieces = new ReadableStream<Uint8Array>(
		{
			async pull(controller) {
				while (rest.byteLength === 0) {
					const { done, value } = await reader.read();
					if (done) return controller.close();
					packed += value.byteLength;
					if (packed > limit + OVERHEAD_BYTES)
						throw new ApiError("too_large", `The body is larger than ${limit} bytes.`, { details: { limit } });
					rest = value;
				}
				controller.enqueue(rest.subarray(0, PIECE_BYTES));
				rest = rest.subarray(PIECE_BYTES);
			},
			cancel: (reason) => reader.cancel(reason),
		},
		{ highWaterMark: 0 },
	);
	return pieces.pipeThrough(new DecompressionStream("gzip") as ReadableWritablePair<Uint8Array, Uint8Array>);
}

/** The error of a body that is no gzip, or breaks off in the middle of it; null for other errors. */
export function badGzip(request: Request, error: unknown): ApiError | null {
	if (error instanceof ApiError || !isPacked(request)) return null;
	if (!/decompress|gzip|zlib|incorrect header|invalid|trailing|unexpected end/i.test(String((error as Error)?.message ?? error)))
		return null;
	return new ApiError("malformed", "The body is not whole and valid gzip, as its Content-Encoding says.", {
		suggestions: ["Compress the body again with gzip, or send it without Content-Encoding."],
	});
}
