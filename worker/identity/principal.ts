import { ApiError } from "../../schema/wire/errors.ts";
import { isId } from "../../schema/wire/ids.ts";
import { lesserOf, type Role } from "../../schema/wire/permissions.ts";
import { DEFAULT_TEAM, TEAM_HEADER } from "../../schema/wire/teams.ts";
import type { Environment } from "../bindings.ts";
import { isTeam } from "../platform/teams.ts";
import { isAccessToken, verifyAccessToken } from "./access_token.ts";
import { actingIn, isOperator } from "./acting_team.ts";
import type { Client } from "./client_address.ts";
import { isSameSecret, sha256 } from "./digest.ts";
import { JOB_TOKEN_PREFIX, type JobTokenClaims, verifyJobToken } from "./job_token.ts";
import { LEASE_TOKEN_PREFIX, type LeaseTokenClaims, verifyLease } from "./lease_token.ts";
import { sessionOf, showsSession } from "./session.ts";
import { findActor, findTrustedActor, recordUse, type Token } from "./tokens_store.ts";
import { type Claim, findShownToken } from "./wrong_credentials.ts";

/** The caller of a request. */
export type Principal =
	| { kind: "anyone" }
	| {
			kind: "user";
			/** The team that the request is about. */
			team: string;
			/** The team of the person or token: an operator may act in another one. */
			home: string;
			role: Role;
			name: string;
			tokenId: string;
			/** The person; null for a token of a program. */
			personId: string | null;
			/** Since when there is this person or token, in milliseconds since 1970: another may have had the name before. */
			since: number;
			/** When its token expires, in milliseconds since 1970: what it makes does not outlive it. Null: never. */
			expiresAt: number | null;
			/** Null for a token. */
			sessionId: string | null;
			/** The only projects that the token opens; null: all. */
			projects: readonly string[] | null;
			/** The greatest role that its credential allows: that of a personal token may be less than the person's. */
			cap: Role;
			/** Greater roles of the person in single projects. */
			projectRoles: Readonly<Record<string, Role>>;
	  }
	| { kind: "registration"; team: string; tokenHash: string }
	| { kind: "agent"; team: string; agentId: string; secretHash: string }
	| { kind: "lease"; team: string; claims: LeaseTokenClaims }
	| { kind: "job"; team: string; claims: JobTokenClaims }
	| { kind: "host"; team: string };
export type PrincipalKind = Principal["kind"];

export const REGISTRATION_TOKEN_PREFIX = "wlr.";
export const AGENT_TOKEN_PREFIX = "wla.";
const HOST_TOKEN_PREFIX = "wlh.";
const KINDS_BY_PREFIX = {
	[LEASE_TOKEN_PREFIX]: "lease",
	[JOB_TOKEN_PREFIX]: "job",
	[AGENT_TOKEN_PREFIX]: "agent token",
	[REGISTRATION_TOKEN_PREFIX]: "registration token",
	[HOST_TOKEN_PREFIX]: "host",
};

/**
 * The caller of a request: `anyone` without a token. A wrong token is rejected, also on public
 * routes. An operator acts in the team that the request or their session names.
 * @param isSecure whether the browser uses HTTPS
 * @param isAtHome whether an operator acts in their own team, whatever the request names
 * @throws ApiError `authentication_required`, `rate_limited`; `not_found` for a named team
 */
export async function identify(
	environment: Environment,
	request: Request,
	client: Client,
	isSecure: boolean,
	isAtHome = false,
): Promise<Principal> {
	const named = request.headers.get(TEAM_HEADER);
	const { principal, actsIn } = await identifyAtHome(environment, request, client, isSecure);
	if (principal.kind !== "user" || isAtHome) return principal;
	if (named !== null) return actingIn(environment.DB, principal, named);
	// Who is no operator any more is at home again.
	return actsIn !== null && isOperator(principal) ? actingIn(environment.DB, principal, actsIn) : principal;
}

/** A caller in their own team, and the team in which their session acts. */
interface AtHome {
	principal: Principal;
	actsIn: string | null;
}

async function identifyAtHome(environment: Environment, request: Request, client: Client, isSecure: boolean): Promise<AtHome> {
	const token = bearerToken(request);
	if (token === null) return identifySession(environment, request, isSecure);
	const principal = await identifyToken(environment, client, token);
	if (!principal) throw invalidToken();
	return { principal, actsIn: null };
}

/** The error of a token that is wrong, or not for this address. */
export function invalidToken(): ApiError {
	return new ApiError("authentication_required", "The token is not valid here.", {
		suggestions: ["Copy the whole token. If it was revoked or has expired, create a new one. Tokens of agents are for agents alone."],
		headers: { "WWW-Authenticate": "Bearer" },
	});
}

/** The claimed identity of a request: the agent in its token, or a digest of the token. */
export async function claimedBy(request: Request): Promise<Claim | null> {
	const [, token] = /^Bearer +(\S+)$/i.exec(request.headers.get("Authorization") ?? "") ?? [];
	if (token === undefined) return showsSession(request) ? { name: "session", key: null } : null;
	const [, named, agentId = ""] = token.split(".");
	const kind = Object.entries(KINDS_BY_PREFIX).find(([prefix]) => token.startsWith(prefix))?.[1] ?? "token";
	const isAgent = token.startsWith(AGENT_TOKEN_PREFIX) && isId("agent", agentId);
	const name = isAgent ? `agent ${agentId}` : `${kind} ${(await sha256(token)).slice(0, 12)}`;
	const namesTeam = token.startsWith(AGENT_TOKEN_PREFIX) || token.startsWith(REGISTRATION_TOKEN_PREFIX);
	return { name, key: name, team: namesTeam ? named : undefined };
}

function bearerToken(request: Request): string | null {
	const header = request.headers.get("Authorization");
	if (header === null) return null;
	const [, token] = /^Bearer +(\S+)$/i.exec(header) ?? [];
	if (token) return token;
	// Build tools send the token of their job as a password: they know no other form.
	const password = basicPassword(header);
	if (password?.startsWith(JOB_TOKEN_PREFIX)) return password;
	throw new ApiError("authentication_required", "The Authorization header is not of the form: Bearer <token>.", {
		suggestions: ["Set the header to Bearer and the token. The windlass commands read the token from WINDLASS_API_TOKEN."],
		headers: { "WWW-Authenticate": "Bearer" },
	});
}

/** The password of a header of the form Basic (RFC 7617); null for another form. */
function basicPassword(header: string): string | null {
	const [, encoded] = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(header) ?? [];
	if (encoded === undefined) return null;
	try {
		return atob(encoded).replace(/^[^:]*:/, "");
	} catch {
		return null;
	}
}

async function identifySession(environment: Environment, request: Request, isSecure: boolean): Promise<AtHome> {
	const signedIn = await sessionOf(environment.DB, request, isSecure);
	if (!signedIn) return { principal: { kind: "anyone" }, actsIn: null };
	const { session, token } = signedIn;
	return { principal: userOf(token, session.id), actsIn: session.acts_in };
}

async function identifyToken(environment: Environment, client: Client, token: string): Promise<Principal | null> {
	if (token.startsWith(LEASE_TOKEN_PREFIX)) {
		const claims = await verifyLease(environment, token);
		return claims && { kind: "lease", team: claims.team, claims };
	}
	if (token.startsWith(JOB_TOKEN_PREFIX)) {
		const claims = await verifyJobToken(environment, token);
		return claims && { kind: "job", team: claims.team, claims };
	}
	if (token.startsWith(AGENT_TOKEN_PREFIX)) {
		const [, team = "", agentId = "", secret = ""] = token.split(".");
		return isId("agent", agentId) && (await isTeam(environment.DB, team))
			? { kind: "agent", team, agentId, secretHash: await sha256(secret) }
			: null;
	}
	if (token.startsWith(REGISTRATION_TOKEN_PREFIX)) {
		const [, team = ""] = token.split(".");
		return (await isTeam(environment.DB, team)) ? { kind: "registration", team, tokenHash: await sha256(token) } : null;
	}
	if (token.startsWith(HOST_TOKEN_PREFIX)) {
		const isHost = environment.HOST_SECRET !== undefined && (await isSameSecret(token, HOST_TOKEN_PREFIX + environment.HOST_SECRET));
		return isHost ? { kind: "host", team: DEFAULT_TEAM } : null;
	}
	const found = isAccessToken(token) ? await tokenOfAccess(environment, token) : await findShownToken(environment.DB, client, token);
	if (!found) return null;
	await recordUse(environment.DB, found, client.address);
	return userOf(found, null);
}

/** The live token that an access token stands for; null without one. */
async function tokenOfAccess(environment: Environment, accessToken: string): Promise<Token | null> {
	const id = await verifyAccessToken(environment, accessToken);
	return id === null ? null : findTrustedActor(environment.DB, id);
}

/** The caller that a live token or person of this id is; null without one. */
export async function principalOf(db: D1Database, id: string): Promise<Extract<Principal, { kind: "user" }> | null> {
	const found = await findActor(db, id);
	return found ? userOf(found, null) : null;
}

function userOf(
	{ team, kind, role: given, name, id, person_id, projects, created_at: since, expires_at: expiresAt, cap: own }: Token,
	sessionId: string | null,
): Extract<Principal, { kind: "user" }> {
	const personId = kind === "person" ? id : person_id;
	// Whatever a row says, operators are of the first team alone.
	const greatest = team === DEFAULT_TEAM ? "operator" : "admin";
	const role = lesserOf(given, greatest);
	const cap = lesserOf(kind === "person" ? greatest : (own ?? given), greatest);
	return {
		kind: "user",
		team,
		home: team,
		role,
		name,
		tokenId: id,
		personId,
		since,
		expiresAt,
		sessionId,
		projects,
		cap,
		projectRoles: {},
	};
}
