import { ERROR_MEANINGS, ERROR_STATUS, type ErrorCode } from "../../schema/wire/errors.ts";
import { REASON_CODES } from "../../schema/wire/reasons.ts";
import { paragraph } from "./markdown.ts";

/** The codes of reasons and errors, from the wire schema. */

const HEADINGS: Record<keyof typeof REASON_CODES, string> = {
	waiting: "Why a job waits",
	skipped: "Why a job was not run",
	cancelled: "Why a job or run was cancelled",
	timedOut: "Why a job or run timed out",
	failed: "Why a job failed",
	errored: "Why an attempt was lost or a job errored",
};

/** The reason codes, with a section for each kind of state. */
export function reasonSections(): string {
	const kinds = Object.keys(REASON_CODES) as (keyof typeof REASON_CODES)[];
	return kinds.map((kind) => [`## ${HEADINGS[kind]}`, "", ...codeList(REASON_CODES[kind])].join("\n")).join("\n\n");
}

/** The error codes of the API, by status. */
export function errorCodes(): string {
	const codes = Object.entries(ERROR_STATUS) as [ErrorCode, number][];
	return codes.map(([code, status]) => paragraph(`\`${code}\` (${status}): ${ERROR_MEANINGS[code]}`, "- ")).join("\n");
}

function codeList(meanings: Readonly<Record<string, string>>): string[] {
	return Object.entries(meanings).map(([code, meaning]) => paragraph(`\`${code}\`: ${meaning}`, "- "));
}
