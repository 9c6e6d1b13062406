import { ApiError } from "../../schema/wire/errors.ts";
import { log } from "../log.ts";
import type { Client } from "./client_address.ts";
import { blockedFor, countFailure, UNGUESSABLE_LENGTH } from "./throttle.ts";

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
	const { delayMs, retryAfter, logged } = countFailure([`address ${client.address}`, claims], Date.now());
	if (logged !== null) {
		const fields = { request_id: requestId, address: client.address, credential: claims, route, failures: logged };
		log("warn", retryAfter === null ? "a credential was wrong" : "too many credentials were wrong", fields);
	}
	if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
	return retryAfter === null ? error : tooMany(client, retryAfter);
}

/**
 * Rejects a credential that is short enough to be guessed, while its address is blocked.
 * @throws ApiError `rate_limited`
 */
export function assertMayTry(client: Client, credential: string): void {
	if (credential.length >= UNGUESSABLE_LENGTH) return;
	const retryAfter = blockedFor(`address ${client.address}`, Date.now());
	if (retryAfter !== null) throw tooMany(client, retryAfter);
}

function tooMany({ address }: Client, retryAfter: number): ApiError {
	return new ApiError("rate_limited", `Too many wrong credentials came from ${address}. Try again in ${retryAfter} s.`, {
		details: { address, retry_after: retryAfter },
		suggestions: ["Check the token; the coordinator's log names each that was wrong.", "Behind a proxy: name it in --trusted-proxies."],
		headers: { "Retry-After": String(retryAfter) },
	});
}
