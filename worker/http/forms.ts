import { MultipartParseError, parseMultipartStream } from "@remix-run/multipart-parser";
import { ApiError } from "../../schema/wire/errors.ts";
import { MIB } from "../../schema/wire/limits.ts";
import { checkLength, utf8, whileReading } from "./bodies.ts";
import { unpackedBody } from "./encoded_body.ts";

/** Forms with several parts, as curl -F and browsers send them. */

export interface FormPart {
	name: string;
	/** Set for a part that is a file. */
	filename: string | undefined;
	bytes: Uint8Array;
	content: Uint8Array[];
	size: number;
}

interface FormLimits {
	/** The maximum bytes of one part, and of all parts. */
	part: number;
	total: number;
	/** The error for larger forms. */
	tooLarge: () => ApiError;
}

const PART_HEADERS_BYTES = 16 * 1024;
const MAX_PARTS = 20;

export function isForm(request: Request): boolean {
	return /^multipart\/form-data\b/i.test(request.headers.get("Content-Type") ?? "");
}

/** Calls `take` with each part. @throws ApiError `malformed`, `too_large` */
export async function readParts(request: Request, limits: FormLimits, take: (part: FormPart) => void): Promise<void> {
	checkLength(request, limits.total + MIB);
	const boundary = /boundary=(?:"([^"]{1,200})"|([^;\s]{1,200}))/i.exec(request.headers.get("Content-Type") ?? "");
	const body = unpackedBody(request, limits.total + MIB);
	if (!boundary || !body)
		throw new ApiError("malformed", "The form has no boundary or no body.", {
			suggestions: ["Set the boundary in Content-Type, and send at least one part."],
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
				if (!name)
					throw new ApiError("malformed", "A part of the form has no name.", {
						suggestions: ["Set `name` in the Content-Disposition of each part."],
					});
				take({ name, filename, bytes, content, size });
			}
		});
	} catch (error) {
		if (!(error instanceof MultipartParseError)) throw error;
		if (/^Max(File|Total)Size/.test(error.constructor.name)) throw limits.tooLarge();
		throw new ApiError("malformed", `The form is invalid: ${error.message}.`, {
			suggestions: ["Use windlass run, or send the parts `pipeline` and `source`."],
		});
	}
}

/** The text of a part. @throws ApiError `malformed`, `too_large` */
export function textOf({ name, bytes, size }: FormPart, limit: number): string {
	if (size > limit)
		throw new ApiError("too_large", `The part ${name} is larger than ${limit} bytes.`, {
			details: { limit },
			suggestions: ["Shorten this part."],
		});
	return utf8(bytes, `The part ${name}`);
}

/** @throws ApiError `validation_failed` */
export function partError(name: string, message: string, suggestion: string): ApiError {
	return new ApiError("validation_failed", `${name}: ${message}`, {
		details: { errors: [{ path: name, line: null, column: null, message, suggestion }] },
		suggestions: [suggestion],
	});
}
