export { deleteEndedRefreshTokens } from "./refresh_store.ts";

import { ApiError } from "../../schema/wire/errors.ts";
import type { ClaimedLogin, Login } from "../../schema/wire/logins.ts";
import { isAtLeast, lesserOf, may, type Role } from "../../schema/wire/permissions.ts";
import type { CreatedToken } from "../../schema/wire/tokens.ts";
import type { AnonymousContext, RequestContext } from "../http/route.ts";
import { randomSecret, sha256 } from "../identity/digest.ts";
import { principalOf } from "../identity/principal.ts";
import { greatestRoleOf, withProjectRoles } from "../identity/project_roles.ts";
import { blockedFor, countFailure } from "../identity/throttle.ts";
import { recordAudit } from "../platform/audit_log.ts";
import { makeToken } from "../tokens/service.ts";
import * as store from "./store.ts";
import { newPair } from "./token_pairs.ts";

/** Commands ask to act as a person, and the person decides in the browser. */

const VALID_MS = 10 * 60_000;
/** No vowels, so that no words come out, and nothing that looks alike. */
const LETTERS = "BCDFGHJKLMNPQRSTVWXZ";
const CODE_LENGTH = 8;
/** How many requests may wait for a person at once, in all and from one address: nobody signs in to make one. */
const MOST_OPEN = 2_000;
const MOST_OF_ADDRESS = 20;
const TOKEN_LIFETIME = "90d";
/** How many tokens of one machine are told apart by a number. */
const MOST_OF_MACHINE = 50;

type Decider = Pick<RequestContext<"user">, "environment" | "principal">;

/** A command asks. @throws ApiError `rate_limited` while too many are open */
export async function ask({ environment, client, baseUrl }: AnonymousContext, machine: string): Promise<Login> {
	const now = Date.now();
	const open = await store.countUndecided(environment.DB, client.address, now);
	if (open.all >= MOST_OPEN || open.ofAddress >= MOST_OF_ADDRESS) {
		throw new ApiError("rate_limited", "Too many commands ask to sign in at this moment.", {
			headers: { "Retry-After": "60" },
			suggestions: ["Try again in a minute."],
		});
	}
	const secret = randomSecret();
	const code = newCode();
	await store.addLogin(environment.DB, {
		...{ hash: await sha256(secret), code, machine, address: client.address, created_at: now, expires_at: now + VALID_MS },
		...{ decided_by: null, role: null, claimed_at: null },
	});
	return { secret, code, url: `${baseUrl}/login?code=${code}`, valid_ms: VALID_MS };
}

function newCode(): string {
	const letters = Array.from(crypto.getRandomValues(new Uint32Array(CODE_LENGTH)), (value) => LETTERS[value % LETTERS.length]);
	return `${letters.slice(0, 4).join("")}-${letters.slice(4).join("")}`;
}

/**
 * The request of a code that a person has typed.
 * @throws ApiError `not_found`; `rate_limited` after many wrong codes
 */
export async function requestOf({ environment, principal }: Decider, given: string): Promise<store.LoginRow> {
	const key = `login ${principal.tokenId}`;
	const retryAfter = blockedFor(key, Date.now());
	if (retryAfter !== null) {
		throw new ApiError("rate_limited", "Too many wrong codes.", {
			headers: { "Retry-After": String(retryAfter) },
			suggestions: [`Try again in ${retryAfter} seconds.`],
		});
	}
	const letters = given.toUpperCase().replace(/[^A-Z]/g, "");
	const found = await store.findUndecided(environment.DB, `${letters.slice(0, 4)}-${letters.slice(4)}`, Date.now());
	if (found) return found;
	countFailure([key], Date.now());
	throw new ApiError("not_found", "No command waits with this code: it has expired, was used, or is mistyped.", {
		suggestions: ["Compare it with the terminal, or run windlass login again."],
	});
}

/**
 * A person allows a command to act as them with a role, or denies it.
 * @param role null: denied
 * @throws ApiError as `requestOf` does; `forbidden` for a role greater than their own;
 * `conflict` if somebody was first
 */
export async function decide(decider: Decider, code: string, role: Role | null): Promise<store.LoginRow> {
	const { environment, principal } = decider;
	const request = await requestOf(decider, code);
	const own = greatestRoleOf(principal);
	if (role !== null && !isAtLeast(own, role)) {
		throw new ApiError("forbidden", `${principal.name} is ${own}, and cannot give the role ${role}.`, {
			suggestions: [`Choose the role ${own} or a lesser one.`],
		});
	}
	if (role !== null && principal.sessionId === null) {
		throw new ApiError("forbidden", "A sign-in is allowed on the page, and by no token: it would outlive the token.", {
			suggestions: ["Open the page in a browser in which you are signed in."],
		});
	}
	if (role !== null && principal.personId === null && !may(principal.role, "tokens.manage")) {
		throw new ApiError("forbidden", `${principal.name} is a token of a program: commands act as people.`, {
			suggestions: ["Sign in as a person, with a name and a password."],
		});
	}
	if (!(await store.decide(environment.DB, request.hash, principal.personId ?? principal.tokenId, role))) {
		throw new ApiError("conflict", "This sign-in was decided a moment ago.", { suggestions: ["Look at the terminal."] });
	}
	return request;
}

/**
 * A command claims its token, which is made at this moment: it is never stored.
 * @throws ApiError `authentication_required` for a secret that is unknown, claimed or expired
 */
export async function claim(context: AnonymousContext, secret: string): Promise<ClaimedLogin> {
	const { environment, client, requestId } = context;
	const hash = await sha256(secret);
	const request = await store.findByHash(environment.DB, hash, Date.now());
	if (!request) {
		throw new ApiError("authentication_required", "This sign-in has expired, or its token was claimed.", {
			suggestions: ["Run windlass login again."],
		});
	}
	if (request.decided_by === null) return { state: "waiting", token: null };
	if (!(await store.claim(environment.DB, hash, Date.now()))) return { state: "waiting", token: null };
	if (request.role === null) return { state: "denied", token: null };
	// Who has allowed it may have been removed meanwhile.
	const found = await principalOf(environment.DB, request.decided_by);
	if (found === null) return { state: "denied", token: null };
	const principal = await withProjectRoles(environment.DB, found);
	const noted = {};
	const role = lesserOf(request.role, greatestRoleOf(principal));
	// Nobody gets the secret of this token: pairs stand for it.
	const { token: _, ...token } = await tokenFor({ environment, principal, requestId, noted }, request.machine, role);
	await recordAudit(environment, principal.team, {
		...{ event: "own.tokens", actor: principal.name, via: request.decided_by, what: `windlass login on ${request.machine}` },
		...{ details: noted, outcome: "done", address: client.address, request_id: requestId },
	});
	return { state: "allowed", token: { ...token, ...(await newPair(context, token.id)) } };
}

/** A token with the name of the machine, and with a number if there is one already. */
async function tokenFor(caller: Parameters<typeof makeToken>[0], machine: string, role: Role): Promise<CreatedToken> {
	for (let number = 1; ; number += 1) {
		const name = number === 1 ? machine : `${machine}-${number}`;
		try {
			return await makeToken(caller, { name, role, expires_in: TOKEN_LIFETIME });
		} catch (error) {
			const isTaken = error instanceof ApiError && error.code === "conflict" && error.details.name !== undefined;
			if (!isTaken || number >= MOST_OF_MACHINE) throw error;
		}
	}
}
