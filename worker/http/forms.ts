import { MultipartParseError, parseMultipartStream } from "@remix-run/multipart-parser";
import { ApiError } from "../../schema/wire/errors.ts";
import { MIB } from "../../schema/wire/limits.ts";
import { checkLength, utf8, whileReading } from "./bodies.ts";
import { unpackedBody } from "./encoded_body.ts";

/** Forms of several parts, as curl -F and browsers send them. */

export interface FormPart {
	name: string;
	/** Given for what was sent as a file. */
	filename: string | undefined;
	bytes: Uint8Array;
	content: Uint8Array[];
	size: number;
}

interface FormLimits {
	/** Bytes of one part, and of all. */
	part: number;
	total: number;
	/** What is said where they are passed. */
	tooLarge: () => ApiError;
}

const PART_HEADERS_BYTES = 16 * 1024;
const MAX_PARTS = 20;

export function isForm(request: Request): boolean {
	return /^multipart\/form-data\b/i.test(request.headers.get("Content-Type") ?? "");
}

/** Gives each part in turn. @throws ApiError `malformed`, `too_large` */
export async function readParts(request: Request, limits: FormLimits, take: (part: FormPart) => void): Promise<void> {
	checkLength(request, limits.total + MIB);
	const boundary = /boundary=(?:"([^"]{1,200})"|([^;\s]{1,200}))/i.exec(request.headers.get("Content-Type") ?? "");
	const body = unpackedBody(request, limits.total + MIB);
	if (!boundary || !body)
		throw new ApiError("malformed", "The form has no boundary, or no body.", {
			suggestions: ["The client must name the boundary in Content-Type and send at least one part."],
		});
	const options = {
		boundary: boundary[1] ?? boundary[2] ?? "",
		maxHeaderSize: PART_HEADERS_BYTES,
		maxFileSize: limits.part,
		maxParts: MAX_PARTS,
		maxTotalSize: limits.total,
	};
	try {
		await whileReading(request, async () => {
			for await (const part of parseMultipartStream(body, options)) {
				const { name, filename, bytes, content, size } = part;
				if (!name) throw new ApiError("malformed", "A part of the form has no name.");
				take({ name, filename, bytes, content, size });
			}
		});
	} catch (error) {
		if (!(error instanceof MultipartParseError)) throw error;
		if (/^Max(File|Total)Size/.test(error.constructor.name)) throw limits.tooLarge();
		throw new ApiError("malformed", `The form does not parse: ${error.message}`, {
			suggestions: ["Use: windlass run. A client sends the parts `pipeline` and `source`."],
		});
	}
}

/** The text of a part. @throws ApiError `malformed`, `too_large` */
export function textOf({ name, bytes, size }: FormPart, limit: number): string {
	if (size > limit) throw new ApiError("too_large", `The part ${name} is larger than ${limit} bytes.`, { details: { limit } });
	return utf8(bytes, `The part ${name}`);
}

/** @throws ApiError `validation_failed` */
export function partError(name: string, message: string, suggestion: string): ApiError {
	return new ApiError("validation_failed", `${name}: ${message}`, {
		details: { errors: [{ path: name, line: null, column: null, message, suggestion }] },
		suggestions: [suggestion],
	});
}
