import * as z from "zod";

/** Every error code and its HTTP status. */
export const ERROR_STATUS = {
	malformed: 400,
	authentication_required: 401,
	forbidden: 403,
	quota_exceeded: 403,
	not_found: 404,
	method_not_allowed: 405,
	conflict: 409,
	log_offset_mismatch: 409,
	attempt_superseded: 409,
	session_superseded: 409,
	gone: 410,
	attempt_finished: 410,
	length_required: 411,
	precondition_failed: 412,
	too_large: 413,
	unsupported_media_type: 415,
	range_not_satisfiable: 416,
	validation_failed: 422,
	protocol_unsupported: 426,
	rate_limited: 429,
	internal: 500,
	unavailable: 503,
} as const;
export type ErrorCode = keyof typeof ERROR_STATUS;

/** What an error code means, and what to do. docs/reference/reasons.md is generated from this. */
export const ERROR_MEANINGS: Record<ErrorCode, string> = {
	malformed: "The body or a parameter cannot be parsed. Correct the place that the message names.",
	authentication_required: "The request has no valid credential. Send a token that is valid, or sign in again.",
	forbidden: "The credential or the setting does not allow this. Use another token, or change the setting that the message names.",
	quota_exceeded: "The team has reached one of its quotas. Free some of it, or ask an operator for more.",
	not_found: "The thing does not exist, or the credential must not see it. Check the name or id.",
	method_not_allowed: "The path has no such method. Use one of the methods in `Allow`.",
	conflict: "The state of the thing does not allow this now. Read it again, and decide anew.",
	log_offset_mismatch: "An agent sent a part of a log that does not follow the last one. Send from `details.offset`.",
	attempt_superseded: "The agent no longer has the lease of the attempt. The agent stops the job.",
	session_superseded: "Another process uses the token of the agent, or the session has ended. Give each agent a token of its own.",
	gone: "The thing existed and has been deleted. Start a new run, or keep things longer with the retention settings.",
	attempt_finished: "The attempt has ended and accepts nothing more. The agent goes to the next job.",
	length_required: "The size of the body is not known. Send `Content-Length`.",
	precondition_failed: "`If-Match` names another version. Read the thing again, and repeat the change.",
	too_large: "The body or a part of it is larger than the limit. Send less; the message names the limit.",
	unsupported_media_type: "The type or encoding of the body is not accepted. Use one that the message or `Accept-Encoding` names.",
	range_not_satisfiable: "The range is outside of the file or log. Use a range within its size.",
	validation_failed: "The content is not valid. Correct each error of `details.errors`: `{path, line, column, message, suggestion}`.",
	protocol_unsupported: "The agent and the coordinator have different protocol versions. Upgrade the older one.",
	rate_limited: "The caller has sent too many requests, or too many wrong credentials. Wait as long as `Retry-After` says.",
	internal: "The coordinator has an error of its own. Search its log for the `request_id`.",
	unavailable: "The coordinator is starting, overloaded or cannot use a store. Retry after the time in `Retry-After`.",
};

/** The shape of every error answer. */
export const errorBody = z.object({
	error: z.string(),
	message: z.string(),
	details: z.record(z.string(), z.unknown()),
	suggestions: z.array(z.string()),
	timestamp: z.string(),
	request_id: z.string(),
});
export type ErrorBody = z.infer<typeof errorBody>;

/** One error of a submitted text: its place, and a suggestion if there is one. */
export interface FieldError {
	path: string;
	line: number | null;
	column: number | null;
	message: string;
	suggestion: string | null;
	/** The included file that the place is in; without it the text itself. */
	file?: string | undefined;
}

interface ApiErrorOptions {
	details?: Record<string, unknown>;
	suggestions?: string[];
	headers?: Record<string, string>;
	/** As `ApiError.team`. */
	team?: string | null;
}

/**
 * An error with a code, a sentence for the person and suggestions. It is thrown where the cause is
 * known, and becomes an answer in one place.
 */
export class ApiError extends Error {
	readonly code: ErrorCode;
	readonly details: Record<string, unknown>;
	readonly suggestions: string[];
	readonly headers: Record<string, string>;
	/** The team for whose people or things a credential was wrong, for its audit log; never part of an answer. */
	readonly team: string | null;

	constructor(code: ErrorCode, message: string, options: ApiErrorOptions = {}) {
		super(message);
		this.name = "ApiError";
		this.code = code;
		this.details = options.details ?? {};
		this.suggestions = options.suggestions ?? [];
		this.headers = options.headers ?? {};
		this.team = options.team ?? null;
	}

	get status(): number {
		return ERROR_STATUS[this.code];
	}
}

/** An error as plain data, so that it crosses a Durable Object call unchanged. */
export interface WireError {
	code: ErrorCode;
	message: string;
	details: Record<string, unknown>;
	suggestions: string[];
	headers: Record<string, string>;
}

/** An error as plain data, for a Durable Object call. */
export function toWireError(error: ApiError): WireError {
	const { code, message, details, suggestions, headers } = error;
	return { code, message, details, suggestions, headers };
}

/** The error of this plain data. */
export function fromWireError(error: WireError): ApiError {
	return new ApiError(error.code, error.message, error);
}

/**
 * 404 for a thing that does not exist or belongs to another team. The answer must not say which.
 */
export function notFound(what: string, id: string): ApiError {
	return new ApiError("not_found", `There is no ${what} ${id}.`, {
		details: { id },
		suggestions: [`Check the name or id of the ${what}. The status page and the windlass commands list what exists.`],
	});
}
