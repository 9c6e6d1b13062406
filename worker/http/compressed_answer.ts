import { qualityValues } from "./quality_values.ts";

/** Answers that are text are sent with gzip to whom takes it (RFC 9110, 8.4 and 12.5.3). */

/** What fits into one packet gains nothing. */
const MIN_BYTES = 1024;
const TEXT_TYPES = /^(?:text\/(?!event-stream)|application\/(?:[\w.+-]+\+)?(?:json|yaml|xml|javascript)\b|image\/svg\+xml\b)/i;

/**
 * An answer as it is sent: with gzip where it is text that is long enough. Answers that are written while something goes on, and parts of one, stay as
 * they are: they say `no-transform`, or have another status.
 */
export async function compressedAnswer(request: Request, response: Response): Promise<Response> {
	const { headers, status, body } = response;
	if (headers.has("Content-Encoding") || /\bno-transform\b/i.test(headers.get("Cache-Control") ?? "")) return response;
	const isText = TEXT_TYPES.test(headers.get("Content-Type") ?? "");
	if (!isText && status !== 304) return response;
	headers.append("Vary", "Accept-Encoding");
	if (!body || status === 206 || status === 204 || !prefersGzip(request)) return response;
	const length = headers.get("Content-Length");
	const long = length === null ? await longBody(body) : { isLong: Number(length) >= MIN_BYTES, body };
	const init = { status, statusText: response.statusText, headers: new Headers(headers) };
	if (!long.isLong) return new Response(long.body, init);
	init.headers.set("Content-Encoding", "gzip");
	init.headers.delete("Content-Length");
	// Ranges are those of the text itself.
	init.headers.delete("Accept-Ranges");
	const etag = headers.get("ETag");
	// Other bytes than those without gzip: a strong tag of both would be wrong (RFC 9110, 8.8.3.3).
	if (etag !== null && !etag.startsWith("W/")) init.headers.set("ETag", `W/${etag}`);
	return new Response(long.body.pipeThrough(new CompressionStream("gzip") as ReadableWritablePair<Uint8Array, Uint8Array>), {
		...init,
		encodeBody: "manual",
	});
}

/** Whether the caller takes gzip, and does not rather have the text as it is. */
function prefersGzip(request: Request): boolean {
	const header = request.headers.get("Accept-Encoding");
	if (header === null) return false;
	const weights = qualityValues(header);
	const gzip = weights.get("gzip") ?? weights.get("x-gzip") ?? weights.get("*") ?? 0;
	return gzip > 0 && gzip >= (weights.get("identity") ?? 0);
}

/** Whether a body without an announced length is long: so much of it is read ahead. */
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
