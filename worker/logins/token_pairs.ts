import { ApiError } from "../../schema/wire/errors.ts";
import type { TokenPair } from "../../schema/wire/logins.ts";
import type { AnonymousContext } from "../http/route.ts";
import { ACCESS_TOKEN_S, signAccessToken } from "../identity/access_token.ts";
import { randomSecret, sha256 } from "../identity/digest.ts";
import { findActor, revoke } from "../identity/tokens_store.ts";
import { recordAudit } from "../platform/audit_log.ts";
import { log } from "../platform/logger.ts";
import * as store from "./refresh_store.ts";

/**
 * The tokens with which a command acts: an access token for some minutes, and a refresh token that
 * gets the next pair once. All pairs of a sign-in stand for one token of the team, which is listed,
 * and ends them when it is revoked.
 */

const PREFIX = "wlx_";

/** The first pair of a sign-in. */
export async function newPair(context: AnonymousContext, tokenId: string): Promise<TokenPair> {
	const first = PREFIX + randomSecret();
	await store.addRefreshToken(context.environment.DB, await sha256(first), tokenId, Date.now());
	return pairWith(context, tokenId, first);
}

async function pairWith({ environment, baseUrl }: AnonymousContext, tokenId: string, refreshToken: string): Promise<TokenPair> {
	const access = await signAccessToken(environment, tokenId, baseUrl);
	return { token_type: "Bearer", access_token: access, expires_in: ACCESS_TOKEN_S, refresh_token: refreshToken };
}

/**
 * Uses a refresh token. A second use means that somebody has a copy: then the whole sign-in ends,
 * with the newer tokens, too (RFC 9700, 4.14.2).
 * @throws ApiError `authentication_required`
 */
export async function refresh(context: AnonymousContext, refreshToken: string): Promise<TokenPair> {
	const { environment, client, requestId } = context;
	const { DB } = environment;
	const hash = await sha256(refreshToken);
	const found = await store.findRefreshToken(DB, hash);
	const token = found && (await findActor(DB, found.tokenId));
	if (!token) throw ended("It has ended, was revoked, or its person was removed.");
	const next = PREFIX + randomSecret();
	const isFirstUse = await store.exchangeRefreshToken(DB, hash, { hash: await sha256(next), tokenId: token.id }, Date.now());
	if (isFirstUse) return pairWith(context, token.id, next);
	await revoke(DB, token, Date.now());
	await store.deleteFamily(DB, token.id);
	await recordAudit(environment, token.team, {
		...{ event: "own.tokens", actor: token.name, via: token.id, what: "ended: a refresh token was used twice" },
		...{ details: { token: token.id, name: token.name }, outcome: "refused", address: client.address, request_id: requestId },
	});
	log("warn", "a refresh token was used twice", { request_id: requestId, token: token.id, address: client.address });
	throw ended("Its refresh token was used twice, so somebody may have a copy of it.");
}

function ended(why: string): ApiError {
	return new ApiError("authentication_required", `This sign-in is not valid any more. ${why}`, {
		suggestions: ["Run windlass login again."],
	});
}
