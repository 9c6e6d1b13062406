import type * as z from "zod";
import { joined } from "../../schema/wire/bytes.ts";
import { ApiError, type FieldError } from "../../schema/wire/errors.ts";
import { MAX_PROTOCOL_BODY_BYTES } from "../../schema/wire/limits.ts";
import { bodyTooLarge } from "./body_too_large.ts";
import { clientDisconnected } from "./client_disconnect.ts";
import { badGzip, isPacked, unpackedBody } from "./encoded_body.ts";

/**
 * Reads the body as text.
 * @throws ApiError `too_large`, from the announced length if there is one; `malformed` if it is not
 * UTF-8
 */
export async function readText(request: Request, limit: number): Promise<string> {
	return utf8(await readBytes(request, limit), "The body");
}

/** A byte order mark stays, because texts are stored byte for byte. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @throws ApiError `malformed` if the bytes are not UTF-8 */
export function utf8(bytes: Uint8Array, what: string): string {
	try {
		return decoder.decode(bytes);
	} catch {
		throw new ApiError("malformed", `${what} is not valid UTF-8.`, { suggestions: ["Send the text as UTF-8."] });
	}
}

/**
 * @throws ApiError `too_large` for a large announced length; the length of a compressed body says
 * nothing
 */
export function checkLength(request: Request, limit: number): void {
	if (isPacked(request)) return;
	if (Number(request.headers.get("Content-Length") ?? 0) > limit) throw bodyTooLarge(limit);
}

/**
 * The announced length of the body.
 * @throws ApiError `length_required`, `too_large`
 */
export function lengthOf(request: Request, limit: number): number {
	const length = request.headers.get("Content-Length");
	if (length === null || !/^\d{1,15}$/.test(length)) {
		throw new ApiError("length_required", "The Content-Length header is missing.", {
			suggestions: ["Send a file instead of a pipe, so that the client knows the length."],
		});
	}
	checkLength(request, limit);
	return Number(length);
}

/**
 * Runs `read`, which reads the request's body, and converts client disconnects and gzip errors.
 * @throws ApiError `malformed` for an interrupted body, or is invalid gzip
 */
export async function whileReading<Value>(request: Request, read: () => Promise<Value>): Promise<Value> {
	try {
		return await read();
	} catch (error) {
		throw clientDisconnected(error) ?? badGzip(request, error) ?? error;
	}
}

/** Larger bodies are read in chunks: nobody reserves memory by an announced length alone. */
const SMALL_BYTES = 64 * 1024;

/** Reads the body as bytes. @throws ApiError `too_large` */
export async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
	checkLength(request, limit);
	const announced = request.headers.get("Content-Length");
	// The platform reads a small body at once, and its announced length is checked.
	if (announced !== null && Number(announced) <= SMALL_BYTES && !isPacked(request))
		return whileReading(request, async () => new Uint8Array(await request.arrayBuffer()));
	const body = unpackedBody(request, limit);
	if (!body) return new Uint8Array();
	const chunks: Uint8Array[] = [];
	let size = 0;
	await whileReading(request, async () => {
		// A read costs the same time for every size; a default reader reads 4 kB.
		const reader = body.getReader({ mode: "byob" });
		for (;;) {
			const { done, value } = await reader.read(new Uint8Array(SMALL_BYTES), { min: SMALL_BYTES });
			if (done || !value) break;
			size += value.byteLength;
			if (size > limit) throw bodyTooLarge(limit);
			chunks.push(value);
		}
	});
	return chunks.length === 1 ? (chunks[0] as Uint8Array) : joined(chunks);
}

/** @throws ApiError `malformed` with the place of the error */
export function parseJson(text: string): unknown {
	try {
		return JSON.parse(text.replace(/^\uFEFF/, ""));
	} catch (error) {
		const reason = String((error as Error).message);
		const position = Number(/position (\d+)/.exec(reason)?.[1] ?? text.length);
		const before = text.slice(0, position).split("\n");
		const line = before.length;
		const column = (before.at(-1)?.length ?? 0) + 1;
		throw new ApiError("malformed", `The JSON is invalid at line ${line}, column ${column}.`, {
			details: { errors: [{ path: "", line, column, message: "not valid JSON here", suggestion: null }] },
			suggestions: ["Check commas, quotes and brackets at that place."],
		});
	}
}

/**
 * Reads a JSON body of this shape, as the agent protocol sends it.
 * @throws ApiError `malformed`, `validation_failed`
 */
export async function readJson<Schema extends z.ZodType>(
	request: Request,
	schema: Schema,
	limit = MAX_PROTOCOL_BODY_BYTES,
): Promise<z.infer<Schema>> {
	const text = await readText(request, limit);
	return validated(schema, text.trim() === "" ? {} : parseJson(text));
}

/** @throws ApiError `validation_failed` with all validation errors */
export function validated<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
	const parsed = schema.safeParse(value);
	if (parsed.success) return parsed.data;
	const errors = parsed.error.issues.map(
		(issue): FieldError => ({ path: issue.path.map(String).join("."), line: null, column: null, message: issue.message, suggestion: null }),
	);
	throw new ApiError("validation_failed", errors.map((error) => `${error.path ? `${error.path}: ` : ""}${error.message}`).join("; "), {
		details: { errors },
		suggestions: ["Correct what the message names, and send the request again."],
	});
}
