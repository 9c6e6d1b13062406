import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { partText, type RenderedPage } from "./parts.ts";

const encoder = new TextEncoder();

/** Identifies what a page shows, apart from times. An open page says it, and gets what differs. */
export function signatureOf({ parts, ownScript }: RenderedPage): string {
	const text = [...parts].map(([id, part]) => (ownScript.has(id) ? id : `${id}\n${partText(part)}`)).join("\n");
	return bytesToHex(sha256(encoder.encode(text))).slice(0, 16);
}
