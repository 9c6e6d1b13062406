import { ApiError } from "../../schema/wire/errors.ts";
import { bodyTooLarge } from "./body_too_large.ts";

/**
 * Bodies with gzip (Content-Encoding; RFC 9110, 8.4). The limit of the route applies to the
 * unpacked bytes.
 */

/** How much gzip gets at a time: it may unpack to a thousand times as much. */
const CHUNK_BYTES = 4 * 1024;
/** Incompressible data gets a little longer. */
const OVERHEAD_BYTES = 64 * 1024;

/**
 * Whether the body is compressed. @throws ApiError `unsupported_media_type` for encodings other
 * than gzip
 */
export function isPacked(request: Request): boolean {
	const encodings = encodingsOf(request);
	if (encodings.length === 0) return false;
	if (encodings.length === 1 && /^(?:x-)?gzip$/.test(encodings[0] as string)) return true;
	throw unsupported(request, "gzip, identity", "Send the body with gzip or without Content-Encoding.");
}

/**
 * For bodies that are stored byte for byte. @throws ApiError `unsupported_media_type` for any
 * encoding
 */
export function assertNotEncoded(request: Request): void {
	if (encodingsOf(request).length > 0) throw unsupported(request, "identity", "Send the body without Content-Encoding.");
}

function encodingsOf(request: Request): string[] {
	const names = (request.headers.get("Content-Encoding") ?? "").split(",").map((name) => name.trim().toLowerCase());
	return names.filter((name) => name !== "" && name !== "identity");
}

function unsupported(request: Request, accepted: string, suggestion: string): ApiError {
	const sent = JSON.stringify(request.headers.get("Content-Encoding")?.slice(0, 100));
	return new ApiError("unsupported_media_type", `The Content-Encoding ${sent} is not supported here. Supported: ${accepted}.`, {
		details: { accepted: accepted.split(", ") },
		suggestions: [suggestion],
		headers: { "Accept-Encoding": accepted },
	});
}

/**
 * The unpacked body of a request; null without a body. The caller limits the unpacked bytes.
 * @param limit the limit of the unpacked bytes, from which the limit of compressed bytes follows
 * @throws ApiError `unsupported_media_type`; during the read `too_large` for too many compressed
 * bytes, `malformed` for invalid gzip
 */
export function unpackedBody(request: Request, limit: number): ReadableStream<Uint8Array> | null {
	if (!isPacked(request)) return request.body;
	if (!request.body) return null;
	const reader = request.body.getReader();
	let rest: Uint8Array = new Uint8Array();
	let packed = 0;
	const chunks = new ReadableStream<Uint8Array>(
		{
			async pull(controller) {
				while (rest.byteLength === 0) {
					const { done, value } = await reader.read();
					if (done) return controller.close();
					packed += value.byteLength;
					if (packed > limit + OVERHEAD_BYTES) throw bodyTooLarge(limit);
					rest = value;
				}
				controller.enqueue(rest.subarray(0, CHUNK_BYTES));
				rest = rest.subarray(CHUNK_BYTES);
			},
			cancel: (reason) => reader.cancel(reason),
		},
		{ highWaterMark: 0 },
	);
	return chunks.pipeThrough(new DecompressionStream("gzip") as ReadableWritablePair<Uint8Array, Uint8Array>);
}

/** The error of invalid or truncated gzip; null for other errors. */
export function badGzip(request: Request, error: unknown): ApiError | null {
	if (error instanceof ApiError || !isPacked(request)) return null;
	if (!/decompress|gzip|zlib|incorrect header|invalid|trailing|unexpected end/i.test(String((error as Error)?.message ?? error)))
		return null;
	return new ApiError("malformed", "The Content-Encoding of the body is gzip, but its gzip data is invalid or truncated.", {
		suggestions: ["Compress the body again with gzip, or send it without Content-Encoding."],
	});
}
