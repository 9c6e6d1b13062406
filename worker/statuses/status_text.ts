import type { ForgeKind } from "../../schema/wire/projects.ts";
import { sha256 } from "../identity/digest.ts";

/**
 * The texts of a status, in the form that forges accept. Lengths count code points, so no
 * character is split.
 */

/** The limits of the database columns of forges. */
const MAX_CONTEXT = 255;
const MAX_DESCRIPTION = 140;
const DIGEST_CHARACTERS = 8;
const REPLACEMENT = "\ufffd";

/**
 * The context of a status. A changed or truncated context ends with a digest of the original, so
 * that different contexts stay different.
 */
export async function statusContext(kind: ForgeKind, text: string): Promise<string> {
	const accepted = acceptedBy(kind, text);
	if (accepted === text && !isLonger(text, MAX_CONTEXT)) return text;
	return `${truncated(accepted, MAX_CONTEXT - DIGEST_CHARACTERS - 1)} ${(await sha256(text)).slice(0, DIGEST_CHARACTERS)}`;
}

/** The first line of a description, truncated. */
export function statusDescription(kind: ForgeKind, text: string): string {
	return truncated(acceptedBy(kind, text.trim().split(/[\r\n]/, 1)[0] ?? ""), MAX_DESCRIPTION);
}

/**
 * No forge stores control characters or lone surrogates; GitHub rejects four-byte characters of
 * UTF-8.
 */
function acceptedBy(kind: ForgeKind, text: string): string {
	const visible = text.toWellFormed().replace(/\p{Cc}/gu, " ");
	return kind === "github" ? visible.replace(/[\u{10000}-\u{10ffff}]/gu, REPLACEMENT) : visible;
}

/** Truncates a text to so many code points, with an ellipsis. */
function truncated(text: string, most: number): string {
	return isLonger(text, most) ? `${beginning(text, most - 1)}…` : text;
}

function isLonger(text: string, most: number): boolean {
	return text.length > most && beginning(text, most).length < text.length;
}

/** The first code points of a text. */
function beginning(text: string, count: number): string {
	return [...text.slice(0, count * 2)].slice(0, count).join("");
}
