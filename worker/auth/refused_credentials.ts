import { ApiError } from "../../schema/wire/errors.ts";
import { findToken, type Token, wasValid } from "../catalog/tokens.ts";
import { log } from "../log.ts";
import type { Client } from "./client_address.ts";
import { sha256 } from "./digest.ts";
import { blockedFor, countFailure, mayLookUp, UNGUESSABLE_LENGTH } from "./throttle.ts";

/** What becomes of a request whose credential was wrong: it is counted, logged, slowed, and at last not answered any more. */

interface Refused {
	client: Client;
	/** What the credential claims to be, without a secret. */
	claims: string;
	requestId: string;
	route: string;
}

/**
 * Counts a credential that was wrong, and waits as long as the answer is held back.
 * @returns the answer: the error itself, or `rate_limited` once there were too many
 */
export async function refuseCredential(error: ApiError, { client, claims, requestId, route }: Refused): Promise<ApiError> {
	const { delayMs, retryAfter, logged } = countFailure([addressKey(client), claims], Date.now());
	if (logged !== null) {
		const fields = { request_id: requestId, address: client.address, credential: claims, route, failures: logged };
		log("warn", retryAfter === null ? "a credential was wrong" : "too many credentials were wrong", fields);
	}
	if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
	return retryAfter === null ? error : tooMany(client, retryAfter);
}

/**
 * The live token that somebody shows; null if it is wrong, or too many wrong ones came from this address to look it up.
 * @throws ApiError `rate_limited` for a token that is short enough to be guessed, while its address is blocked
 */
export async function findShownToken(db: D1Database, client: Client, text: string): Promise<Token | null> {
	const key = addressKey(client);
	const retryAfter = text.length < UNGUESSABLE_LENGTH ? blockedFor(key, Date.now()) : null;
	if (retryAfter !== null) throw tooMany(client, retryAfter);
	const hash = await sha256(text);
	return wasValid(hash) || mayLookUp(key, Date.now()) ? findToken(db, hash) : null;
}

function addressKey({ address }: Client): string {
	return `address ${address}`;
}

function tooMany({ address }: Client, retryAfter: number): ApiError {
	return new ApiError("rate_limited", `Too many wrong credentials came from ${address}. Try again in ${retryAfter} s.`, {
		details: { address, retry_after: retryAfter },
		suggestions: ["Check the token; the coordinator's log names each that was wrong.", "Behind a proxy: name it in --trusted-proxies."],
		headers: { "Retry-After": String(retryAfter) },
	});
}
