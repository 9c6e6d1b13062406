import { ApiError } from "../../schema/wire/errors.ts";
import { log } from "../platform/logger.ts";
import type { Client } from "./client_address.ts";
import { sha256 } from "./digest.ts";
import { blockedFor, countFailure, UNGUESSABLE_LENGTH } from "./throttle.ts";
import { findToken, isLiveToken, type Token } from "./tokens_store.ts";

/** What becomes of a request whose credential was wrong: it is counted, logged, slowed, and at last answered with 429. */

/** What a credential claims to be, without a secret. */
export interface Claim {
	/** For the log. */
	name: string;
	/** What it is counted under beside its address; null for one that names nothing. */
	key: string | null;
}

interface WrongCredential {
	client: Client;
	claim: Claim;
	requestId: string;
	route: string;
}

/**
 * Counts a credential that was wrong, and waits as long as the answer is held back.
 * @returns the answer: the error itself, or `rate_limited` once there were too many
 */
export async function countWrongCredential(error: ApiError, { client, claim, requestId, route }: WrongCredential): Promise<ApiError> {
	const keys = [addressKey(client), ...(claim.key === null ? [] : [claim.key])];
	const { delayMs, retryAfter, logged } = countFailure(keys, Date.now());
	if (logged !== null) {
		const fields = { request_id: requestId, address: client.address, credential: claim.name, route, failures: logged };
		log("warn", retryAfter === null ? "a credential was wrong" : "too many credentials were wrong", fields);
	}
	if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
	if (retryAfter === null) return error;
	const isAddress = blockedFor(addressKey(client), Date.now()) !== null;
	return tooMany(isAddress ? `came from ${client.address}` : `were sent for the ${claim.name}`, client, retryAfter);
}

/**
 * The live token that somebody shows; null if it is wrong.
 * @throws ApiError `rate_limited` for a token that is short enough to be guessed, while its address is blocked
 */
export async function findShownToken(db: D1Database, client: Client, text: string): Promise<Token | null> {
	const retryAfter = blockedFor(addressKey(client), Date.now());
	if (retryAfter === null) return findToken(db, await sha256(text));
	if (text.length < UNGUESSABLE_LENGTH) throw tooMany(`came from ${client.address}`, client, retryAfter);
	const hash = await sha256(text);
	// One query for many: a flood of tokens costs no look-up each.
	return (await isLiveToken(db, hash)) ? findToken(db, hash) : null;
}

function addressKey({ address }: Client): string {
	return `address ${address}`;
}

function tooMany(where: string, { address }: Client, retryAfter: number): ApiError {
	return new ApiError("rate_limited", `Too many wrong credentials ${where}. Try again in ${retryAfter} s.`, {
		details: { address, retry_after: retryAfter },
		suggestions: [
			"Check the credential; the coordinator's log names each that was wrong.",
			"Behind a proxy: name it in --trusted-proxies.",
		],
		headers: { "Retry-After": String(retryAfter) },
	});
}
