import { parseDuration } from "../../schema/wire/duration.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { newId } from "../../schema/wire/ids.ts";
import { isAtLeast, lesserOf, may, type Role } from "../../schema/wire/permissions.ts";
import { ADHOC_PROJECT } from "../../schema/wire/projects.ts";
import {
	type CreatedToken,
	MAX_PERSONAL_TOKENS,
	MAX_TOKENS,
	TOKEN_PREFIXES,
	type Token,
	type TokenKind,
	type TokenRequest,
} from "../../schema/wire/tokens.ts";
import type { RequestContext } from "../http/route.ts";
import { givenRole } from "../identity/acting_team.ts";
import { randomSecret, sha256 } from "../identity/digest.ts";
import { greatestRoleOf, roleIn } from "../identity/project_roles.ts";
import * as store from "../identity/tokens_store.ts";
import { isSignIn } from "../logins/refresh_store.ts";
import { isByRule } from "../people/service.ts";
import { log } from "../platform/logger.ts";
import { findProject } from "../record/projects.ts";

/** Makes, lists, rotates and revokes the tokens of a team. */

export type TokenCaller = Pick<RequestContext<"user">, "environment" | "principal" | "requestId" | "noted">;

/** The live tokens that the caller made; for an admin all of them. */
export async function tokensFor({ environment, principal }: Pick<TokenCaller, "environment" | "principal">): Promise<Token[]> {
	const found = await store.listTokens(environment.DB, principal.team, Date.now());
	return found.filter((row) => isOwn(row, principal) || may(principal.role, "tokens.manage")).map((row) => present(row, principal.tokenId));
}

/**
 * Makes a token with at most the role of the caller.
 * @throws ApiError `forbidden` for a greater role, or one for all projects without the right to;
 * `not_found` for a project; `conflict` for a name that is taken, and for too many tokens
 */
export async function makeToken(caller: TokenCaller, request: TokenRequest): Promise<CreatedToken> {
	const { environment, principal, requestId } = caller;
	const { role, projects, expires_in } = request;
	const kind = kindOf(request, principal);
	// Names of tokens of programs have no slash.
	const name = kind === "personal" ? `${principal.name}/${request.name}` : request.name;
	const own = grantable(principal, kind, projects ?? []);
	if (!isAtLeast(own, role)) {
		throw new ApiError("forbidden", `${principal.name} is ${own}, and cannot make a token with the role ${role}.`, {
			details: { role: own },
			suggestions: [`Choose the role ${own} or a lesser one.`],
		});
	}
	if (kind !== "personal" && !may(own, "tokens.create")) {
		throw new ApiError("forbidden", `Tokens of programs are made by maintainers; ${principal.name} is ${own}.`, {
			details: { role: own, action: "tokens.create" },
			suggestions: [principal.personId === null ? "Ask a maintainer." : "Make a personal token, without projects."],
		});
	}
	if (kind === "service" && !may(principal.role, "tokens.manage")) {
		throw new ApiError("forbidden", `A token for all projects is made by an admin; ${principal.name} is ${principal.role}.`, {
			suggestions: ["Name the projects that the token opens."],
		});
	}
	for (const project of projects ?? [])
		if (project !== ADHOC_PROJECT && !(await findProject(environment.DB, principal.team, project))) throw notFound("project", project);
	const now = Date.now();
	const { personId } = principal;
	const live = await store.listTokens(environment.DB, principal.team, now);
	const alike = live.filter((row) => (kind === "personal" ? row.person_id === personId : row.person_id === null)).length;
	const most = kind === "personal" ? MAX_PERSONAL_TOKENS : MAX_TOKENS;
	if (alike >= most) {
		throw new ApiError("conflict", `${kind === "personal" ? principal.name : "The team"} has ${most} tokens already.`, {
			suggestions: ["Revoke tokens that nobody uses."],
		});
	}
	const secret = TOKEN_PREFIXES[kind] + randomSecret();
	const row: store.Token = {
		...{ id: newId("token"), team: principal.team, kind, name, role, projects: projects ? [...new Set(projects)] : null },
		person_id: kind === "personal" ? personId : null,
		...{
			hash: await sha256(secret),
			created_by: principal.name,
			created_at: now,
			expires_at: await shortened(environment.DB, kind, principal, endOf(expires_in, principal, null)),
		},
		...{ revoked_at: null, last_used_on: null, last_used_from: null },
	};
	if (!(await store.addToken(environment.DB, row))) {
		throw new ApiError("conflict", `There is a token ${name} already.`, {
			details: { name },
			suggestions: ["Choose another name: runs and records name their actor. Or rotate that token."],
		});
	}
	Object.assign(caller.noted, { token: row.id, name, role, projects: row.projects?.join(", ") ?? "all" });
	log("info", "token made", { request_id: requestId, actor: principal.name, token: row.id, name, role });
	return { ...present(row, principal.tokenId), token: secret };
}

/** How long a token lasts that acts as a person whose groups decide: they are looked up at a sign-in only. */
const RULED_MS = 30 * 24 * 60 * 60_000;

/** The end of a token; sooner if it acts as such a person. */
async function shortened(db: D1Database, kind: TokenKind, { personId }: TokenCaller["principal"], end: number): Promise<number> {
	const isRuled = kind === "personal" && personId !== null && (await isByRule(db, personId));
	return isRuled ? Math.min(end, Date.now() + RULED_MS) : end;
}

/** The greatest role of a token that a caller makes: in each of its projects, or for themself anywhere. */
function grantable(principal: TokenCaller["principal"], kind: TokenKind, projects: readonly string[]): Role {
	if (kind === "personal") return greatestRoleOf(principal);
	if (kind === "service") return givenRole(principal);
	return projects.map((project) => roleIn(principal, project)).reduce(lesserOf, givenRole({ team: principal.team, role: "operator" }));
}

/** @throws ApiError `validation_failed` for a kind that does not go with the projects or the caller */
function kindOf({ kind, projects }: TokenRequest, { personId }: TokenCaller["principal"]): "personal" | "service" | "project" {
	const chosen = kind ?? (projects ? "project" : personId === null ? "service" : "personal");
	if ((chosen === "project") !== (projects !== undefined)) throw wrongKind("A token has projects if, and only if, its kind is project.");
	if (chosen === "personal" && personId === null) throw wrongKind("A personal token is made by a person, not by a token of a program.");
	return chosen;
}

function wrongKind(message: string): ApiError {
	return new ApiError("validation_failed", `kind: ${message}`, {
		details: { errors: [{ path: "kind", line: null, column: null, message, suggestion: null }] },
		suggestions: ["Leave out kind: it follows from the projects and from who asks."],
	});
}

/** Gives a token another secret; the former one is invalid at once. @throws ApiError as `changeable` does */
export async function rotateToken(caller: TokenCaller, id: string, expiresIn: string): Promise<CreatedToken> {
	const { environment, principal, requestId } = caller;
	const row = await changeable(caller, id);
	caller.noted.name = row.name;
	if (row.kind === "personal" && row.person_id !== principal.personId) {
		throw new ApiError("forbidden", `The token ${row.name} acts as a person, and only they get a new secret.`, {
			suggestions: ["Revoke it."],
		});
	}
	if (await isSignIn(environment.DB, row.id)) {
		throw new ApiError("conflict", `The token ${row.name} is a sign-in of windlass login, which has no secret of its own.`, {
			suggestions: ["Revoke it, and run windlass login again."],
		});
	}
	const secret = TOKEN_PREFIXES[row.kind as TokenKind] + randomSecret();
	const end = await shortened(environment.DB, row.kind as TokenKind, principal, endOf(expiresIn, principal, row));
	const changed = { hash: await sha256(secret), expires_at: end };
	await store.replaceHash(environment.DB, row, changed.hash, changed.expires_at);
	log("info", "token rotated", { request_id: requestId, actor: principal.name, token: id });
	return { ...present({ ...row, ...changed }, principal.tokenId), token: secret };
}

/** Revokes a token, and ends the sessions that it opened. @throws ApiError as `changeable` does */
export async function revokeToken(caller: TokenCaller, id: string): Promise<void> {
	const { environment, principal, requestId } = caller;
	const row = await changeable(caller, id);
	caller.noted.name = row.name;
	await store.revoke(environment.DB, row, Date.now());
	log("info", "token revoked", { request_id: requestId, actor: principal.name, token: id });
}

/**
 * A token that the caller may change: their own, or for an admin one with at most their role.
 * @throws ApiError `not_found`; `forbidden` for a greater role; `conflict` for that of the host
 */
async function changeable({ environment, principal }: TokenCaller, id: string): Promise<store.Token> {
	const row = await store.findTokenById(environment.DB, principal.team, id, Date.now());
	if (!row || !(isOwn(row, principal) || may(principal.role, "tokens.manage"))) throw notFound("token", id);
	if (row.kind === "admin") {
		throw new ApiError("conflict", "The host makes the admin token, and no request changes it.", {
			suggestions: ["Stop the coordinator, and run: windlass token reset-admin"],
		});
	}
	// What acts as the caller is theirs, whatever their role is now.
	const isTheirs = row.id === principal.tokenId || (row.person_id !== null && row.person_id === principal.personId);
	if (!isTheirs && !isAtLeast(grantable(principal, row.kind as TokenKind, row.projects ?? []), row.role)) {
		throw new ApiError("forbidden", `The token ${row.name} has the role ${row.role}; ${principal.name} is ${principal.role}.`, {
			details: { role: principal.role },
			suggestions: [`Ask a person with the role ${row.role}.`],
		});
	}
	return row;
}

/** Whether the caller made a token, and not somebody who had their name before. */
function isMadeBy({ created_by, created_at }: store.Token, { name, since }: TokenCaller["principal"]): boolean {
	return created_by === name && created_at >= since;
}

function isOwn(row: store.Token, principal: TokenCaller["principal"]): boolean {
	return isMadeBy(row, principal) || row.id === principal.tokenId;
}

/**
 * When a token ends. None makes its own life longer, or outlives the one that made it.
 * @param rotated the token that gets another secret; null: a new one
 */
function endOf(expiresIn: string, { tokenId, expiresAt }: TokenCaller["principal"], rotated: store.Token | null): number {
	// The schema has checked the text.
	const wanted = Date.now() + (parseDuration(expiresIn) ?? 0);
	const isItself = rotated?.id === tokenId;
	return Math.min(wanted, expiresAt ?? wanted, isItself ? (rotated?.expires_at ?? wanted) : wanted);
}

function present(row: store.Token, currentId: string): Token {
	const { id, kind, name, role, projects, created_by, created_at, expires_at, last_used_on, last_used_from } = row;
	return {
		...{ id, kind: kind as TokenKind, name, role, projects, created_by },
		created_at: new Date(created_at).toISOString(),
		expires_at: expires_at === null ? null : new Date(expires_at).toISOString(),
		last_used: last_used_on === null ? null : { on: last_used_on, from: last_used_from ?? "unknown" },
		is_current: id === currentId,
	};
}
