import { qualityValues } from "./quality_values.ts";

/** Compresses text answers for callers that accept gzip (RFC 9110, 8.4 and 12.5.3). */

/** Answers of one packet do not gain from compression. */
const MIN_BYTES = 1024;
const TEXT_TYPES = /^(?:text\/(?!event-stream)|application\/(?:[\w.+-]+\+)?(?:json|yaml|xml|javascript)\b|image\/svg\+xml\b)/i;

/**
 * Compresses a long text answer. Streams and ranges stay as they are: they have `no-transform` or
 * another status.
 */
export async function compressedAnswer(request: Request, response: Response): Promise<Response> {
	const { headers, status, body } = response;
	if (headers.has("Content-Encoding") || /\bno-transform\b/i.test(headers.get("Cache-Control") ?? "")) return response;
	const isText = TEXT_TYPES.test(headers.get("Content-Type") ?? "");
	if (!isText && status !== 304) return response;
	headers.append("Vary", "Accept-Encoding");
	if (!body || status === 206 || status === 204 || !prefersGzip(request)) return response;
	const length = headers.get("Content-Length");
	if (length !== null && Number(length) < MIN_BYTES) return response;
	const long = length === null ? await longBody(body) : { isLong: true, body };
	const init = { status, statusText: response.statusText, headers: new Headers(headers) };
	if (!long.isLong) return new Response(long.body, init);
	init.headers.set("Content-Encoding", "gzip");
	init.headers.delete("Content-Length");
	// Ranges refer to the uncompressed text.
	init.headers.delete("Accept-Ranges");
	const etag = headers.get("ETag");
	// Compressed bytes differ, so the tag becomes weak (RFC 9110, 8.8.3.3).
	if (etag !== null && !etag.startsWith("W/")) init.headers.set("ETag", `W/${etag}`);
	return new Response(long.body.pipeThrough(new CompressionStream("gzip") as ReadableWritablePair<Uint8Array, Uint8Array>), {
		...init,
		encodeBody: "manual",
	});
}

/** Whether the caller accepts gzip, and does not prefer the plain text. */
function prefersGzip(request: Request): boolean {
	// Cloudflare and wrangler put their own header in place of the client's.
	const header = (request.cf as IncomingRequestCfProperties | undefined)?.clientAcceptEncoding ?? request.headers.get("Accept-Encoding");
	if (!header) return false;
	const weights = qualityValues(header);
	const gzip = weights.get("gzip") ?? weights.get("x-gzip") ?? weights.get("*") ?? 0;
	return gzip > 0 && gzip >= (weights.get("identity") ?? 0);
}

/** Whether a body without an announced length is long: the first bytes are read ahead. */
async function longBody(body: ReadableStream<Uint8Array>): Promise<{ isLong: boolean; body: ReadableStream<Uint8Array> }> {
	const reader = body.getReader();
	const ahead: Uint8Array[] = [];
	let size = 0;
	let isWhole = false;
	while (size < MIN_BYTES && !isWhole) {
		const { done, value } = await reader.read();
		isWhole = done;
		if (value) {
			ahead.push(value);
			size += value.byteLength;
		}
	}
	if (isWhole) return { isLong: false, body: new Blob(ahead as Uint8Array<ArrayBuffer>[]).stream() };
	const whole = new ReadableStream<Uint8Array>({
		async pull(controller) {
			const next = ahead.shift() ?? (await reader.read()).value;
			if (next) controller.enqueue(next);
			else controller.close();
		},
		cancel: (reason) => reader.cancel(reason),
	});
	return { isLong: true, body: whole };
}
