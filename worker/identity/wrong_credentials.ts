import { ApiError } from "../../schema/wire/errors.ts";
import { DEFAULT_TEAM } from "../../schema/wire/teams.ts";
import type { Environment } from "../bindings.ts";
import { recordAudit } from "../platform/audit_log.ts";
import { log } from "../platform/logger.ts";
import { sleep } from "../platform/sleep.ts";
import { isTeam } from "../platform/teams.ts";
import type { Client } from "./client_address.ts";
import { sha256 } from "./digest.ts";
import { blockedFor, countFailure, UNGUESSABLE_LENGTH } from "./throttle.ts";
import { findToken, isLiveToken, type Token } from "./tokens_store.ts";

/**
 * Handles wrong credentials: they are counted, logged, slowed down, and finally answered with 429.
 */

/** The claimed identity of a credential, without its secret. */
export interface Claim {
	/** For the log. */
	name: string;
	/** The second key of the count beside the address; null without one. */
	key: string | null;
	/** The team that it names, whether there is one or not. */
	team?: string | undefined;
}

interface WrongCredential {
	environment: Environment;
	client: Client;
	claim: Claim;
	requestId: string;
	route: string;
}

/**
 * Counts a wrong credential, and delays the answer.
 * @returns the error of the answer: the given one, or `rate_limited` after too many
 */
export async function countWrongCredential(
	error: ApiError,
	{ environment, client, claim, requestId, route }: WrongCredential,
): Promise<ApiError> {
	const keys = [addressKey(client), ...(claim.key === null ? [] : [claim.key])];
	const { delayMs, retryAfter, logged } = countFailure(keys, Date.now());
	if (logged !== null) {
		const fields = { request_id: requestId, address: client.address, credential: claim.name, route, failures: logged };
		log("warn", retryAfter === null ? "a credential was wrong" : "too many credentials were wrong", fields);
		// Together with the line in the log: a flood fills neither.
		const named = error.team ?? claim.team ?? DEFAULT_TEAM;
		// A name that no team has made must not make an audit log.
		const team = (await isTeam(environment.DB, named).catch(() => false)) ? named : DEFAULT_TEAM;
		await recordAudit(environment, team, {
			...{ event: "sign_in", actor: "unknown", via: null, what: route, details: { credential: claim.name, failures: String(logged) } },
			...{ outcome: "refused", address: client.address, request_id: requestId },
		});
	}
	if (delayMs > 0) await sleep(delayMs);
	if (retryAfter === null) return error;
	const isAddress = blockedFor(addressKey(client), Date.now()) !== null;
	return tooMany(isAddress ? `came from ${client.address}` : `were sent for the ${claim.name}`, client, retryAfter);
}

/**
 * The live token of a request; null if it is wrong.
 * @throws ApiError `rate_limited` for a guessable token while its address is blocked
 */
export async function findShownToken(db: D1Database, client: Client, text: string): Promise<Token | null> {
	const retryAfter = blockedFor(addressKey(client), Date.now());
	if (retryAfter === null) return findToken(db, await sha256(text));
	if (text.length < UNGUESSABLE_LENGTH) throw tooMany(`came from ${client.address}`, client, retryAfter);
	const hash = await sha256(text);
	// One query answers many checks, so that a flood of tokens costs little.
	return (await isLiveToken(db, hash)) ? findToken(db, hash) : null;
}

function addressKey({ address }: Client): string {
	return `address ${address}`;
}

function tooMany(where: string, { address }: Client, retryAfter: number): ApiError {
	return new ApiError("rate_limited", `Too many wrong credentials ${where}. Retry in ${retryAfter} s.`, {
		details: { address, retry_after: retryAfter },
		suggestions: [
			"Find the wrong credential in the log of the coordinator, and correct it.",
			"Behind a proxy, start the coordinator with --trusted-proxies and the address of the proxy.",
		],
		headers: { "Retry-After": String(retryAfter) },
	});
}
