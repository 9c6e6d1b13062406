export { signInByAccount } from "./account_people.ts";
export { invitationOf, join, joinWithAccount } from "./joining.ts";
export { findPersonNamed } from "./store.ts";

import { parseDuration } from "../../schema/wire/duration.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import type { Invitation, InvitationRequest, OpenInvitation, Person } from "../../schema/wire/people.ts";
import { isAtLeast, type Role } from "../../schema/wire/permissions.ts";
import { validated } from "../http/bodies.ts";
import type { RequestContext } from "../http/route.ts";
import { givenRole } from "../identity/acting_team.ts";
import type { Client } from "../identity/client_address.ts";
import { randomSecret, sha256 } from "../identity/digest.ts";
import { blockedFor, countFailure } from "../identity/throttle.ts";
import { recordUse, type Token } from "../identity/tokens_store.ts";
import { chosenPassword, hashPassword, isPassword } from "./passwords.ts";
import * as store from "./store.ts";

/** Invites people, signs them in by their password, changes their roles and removes them. */

type Caller = RequestContext<"user">;

/** How long a link for a new password is valid. */
const RESET_MS = 24 * 60 * 60_000;

export async function peopleFor({ environment, principal }: Pick<Caller, "environment" | "principal">): Promise<Person[]> {
	const { DB } = environment;
	const [found, accounts] = await Promise.all([store.listPeople(DB, principal.team), store.listAccounts(DB, principal.team)]);
	const accountsOf = Map.groupBy(accounts, ({ person_id }) => person_id);
	return found.map(({ id, name, role, created_by, created_at, last_used_on, last_used_from }) => {
		const own = accountsOf.get(id) ?? [];
		return {
			...{ id, name, role, invited_by: created_by, joined_at: new Date(created_at).toISOString() },
			last_seen: last_used_on === null ? null : { on: last_used_on, from: last_used_from ?? "unknown" },
			providers: own.map(({ provider }) => provider),
			has_role_by_rule: own.some(({ is_by_rule }) => is_by_rule),
			is_current: id === principal.personId,
		};
	});
}

export async function invitationsFor({ environment, principal }: Pick<Caller, "environment" | "principal">): Promise<OpenInvitation[]> {
	const found = await store.listInvitations(environment.DB, principal.team, Date.now());
	return found.map(({ name, role, person_id, created_by, expires_at }) => ({
		...{ name, role, is_reset: person_id !== null, invited_by: created_by, expires_at: new Date(expires_at).toISOString() },
	}));
}

/** Withdraws the invitation of the path. @throws ApiError `not_found`; `forbidden` for a greater role */
export async function withdrawInvitation({ environment, principal, params, noted }: Caller): Promise<void> {
	const name = params.name ?? "";
	const found = await store.findOpenInvitation(environment.DB, principal.team, name, Date.now());
	if (!found) throw notFound("invitation", name);
	assertGrants(principal, found.role);
	noted.role = found.role;
	if (!(await store.withdrawInvitation(environment.DB, found.hash))) throw notFound("invitation", name);
}

/** Ends the sessions and personal tokens of the person of the path. @throws ApiError as `changeable` does */
export async function signOutPerson(context: Caller): Promise<void> {
	const { id, name } = await changeable(context);
	context.noted.name = name;
	await store.signOutEverywhere(context.environment.DB, id, Date.now());
}

/** Makes an invitation. @throws ApiError `forbidden` for a greater role; `conflict` for a name that is taken */
export async function invite(context: Caller, { name, role, expires_in }: InvitationRequest): Promise<Invitation> {
	const { environment, principal } = context;
	assertGrants(principal, role);
	if (await store.isNameTaken(environment.DB, principal.team, name)) {
		throw new ApiError("conflict", `Somebody or some token has the name ${name} already.`, {
			details: { name },
			suggestions: ["Choose another name: runs and records name their actor."],
		});
	}
	// The link takes the place of an earlier one of this name.
	const earlier = await store.findOpenInvitation(environment.DB, principal.team, name, Date.now());
	if (earlier) assertGrants(principal, earlier.role);
	return link(context, { name, role, personId: null, ms: parseDuration(expires_in) ?? 0 });
}

/** Makes a link with which a person sets a new password. @throws ApiError as `changeable` does */
export async function resetPassword(context: Caller): Promise<Invitation> {
	const { id, name, role } = await changeable(context);
	return link(context, { name, role, personId: id, ms: RESET_MS });
}

async function link(
	{ environment, principal, baseUrl, noted }: Caller,
	{ name, role, personId, ms }: { name: string; role: Role; personId: string | null; ms: number },
): Promise<Invitation> {
	const code = randomSecret();
	const now = Date.now();
	const row = { hash: await sha256(code), team: principal.team, name, role, person_id: personId };
	await store.addInvitation(environment.DB, {
		...{ ...row, created_by: principal.name, inviter_id: principal.personId ?? principal.tokenId },
		...{ created_at: now, expires_at: now + ms, used_at: null },
	});
	Object.assign(noted, { name, role });
	return { name, role, url: `${baseUrl}/join?code=${code}`, expires_at: new Date(now + ms).toISOString() };
}

/** @throws ApiError as `changeable` does; `forbidden` for a role greater than the caller's */
export async function changeRole(context: Caller, role: Role): Promise<Person> {
	const { environment, principal, noted } = context;
	const { id, name, role: before } = await changeable(context);
	assertGrants(principal, role);
	const ruled = await store.findRuledAccount(environment.DB, id);
	if (ruled) {
		throw new ApiError("conflict", `The rules of ${ruled.provider} decide the role of ${name} at each sign-in.`, {
			suggestions: [`Change their groups there, or the rules here: windlass identity-providers set ${ruled.provider}`],
		});
	}
	await store.setRole(environment.DB, id, role);
	Object.assign(noted, { name, before, role });
	return (await peopleFor(context)).find((person) => person.id === id) as Person;
}

/** Removes a person with their sessions and personal tokens. @throws ApiError as `changeable` does */
export async function removePerson(context: Caller): Promise<void> {
	const { id, name } = await changeable(context);
	context.noted.name = name;
	await store.removePerson(context.environment.DB, id, Date.now());
}

/** The person of the path. @throws ApiError `not_found`; `conflict` for the caller; `forbidden` for a greater role */
async function changeable({ environment, principal, params }: Caller): Promise<Token> {
	const id = params.id ?? "";
	const found = await store.findPerson(environment.DB, principal.team, id);
	if (!found) throw notFound("person", id);
	if (id === principal.personId) {
		throw new ApiError("conflict", "Nobody changes or removes themself, so that somebody is left who can.", {
			suggestions: ["Ask another admin. Your own password is on the page /settings."],
		});
	}
	assertGrants(principal, found.role);
	return found;
}

function assertGrants(principal: Caller["principal"], role: Role): void {
	const { name } = principal;
	const own = givenRole(principal);
	if (isAtLeast(own, role)) return;
	throw new ApiError("forbidden", `${name} is ${own}, and does not decide about the role ${role}.`, {
		details: { role: own },
		suggestions: [`Ask a person with the role ${role}.`],
	});
}

/**
 * Signs a person in by their password. Whether the name or the password is wrong is not said, and
 * takes as long to find out.
 * @throws ApiError `authentication_required`; `rate_limited` before anything is hashed
 */
export async function signInByPassword(
	environment: Caller["environment"],
	client: Client,
	{ team, name, password }: { team: string; name: string; password: string },
): Promise<Token> {
	// By the address alone: nobody locks out a person, and the hashes bound how many can be tried.
	const key = `passwords from ${client.address}`;
	const retryAfter = blockedFor(key, Date.now());
	if (retryAfter !== null) throw tooManyPasswords(retryAfter);
	const found = await store.findByName(environment.DB, team, name);
	const isRight = await isPassword(password, found?.phc ?? null);
	// It may have been changed meanwhile.
	if (found && isRight && (await store.passwordOf(environment.DB, found.person.id)) === found.phc) {
		await recordUse(environment.DB, found.person, client.address);
		return found.person;
	}
	countFailure([key], Date.now());
	throw new ApiError("authentication_required", "The name or the password is wrong.", {
		team,
		suggestions: ["Check both. An admin makes a link for a new password: windlass people reset"],
	});
}

function tooManyPasswords(retryAfter: number): ApiError {
	return new ApiError("rate_limited", "Too many wrong passwords.", {
		headers: { "Retry-After": String(retryAfter) },
		suggestions: [`Try again in ${retryAfter} seconds.`],
	});
}

/** Whether the rules of an identity provider have let a person in. */
export async function isByRule(db: D1Database, personId: string): Promise<boolean> {
	return (await store.findRuledAccount(db, personId)) !== undefined;
}

/** Whether the caller signs in with a password. */
export async function hasOwnPassword({ environment, principal }: Pick<Caller, "environment" | "principal">): Promise<boolean> {
	return principal.personId !== null && (await store.passwordOf(environment.DB, principal.personId)) !== null;
}

/** Changes the password of the caller, and ends their sessions. @throws ApiError `conflict`, `authentication_required`, `validation_failed` */
export async function changePassword(
	{ environment, principal }: Caller,
	{ old, password }: { old: string; password: string },
): Promise<void> {
	const { personId } = principal;
	const phc = personId && (await store.passwordOf(environment.DB, personId));
	if (!personId || !phc) {
		throw new ApiError("conflict", `${principal.name} has no password to change.`, {
			suggestions: ["Sign in as a person with a password. An admin makes a link for a new one: windlass people reset"],
		});
	}
	validated(chosenPassword, { password });
	const key = `password of ${personId}`;
	const retryAfter = blockedFor(key, Date.now());
	if (retryAfter !== null) throw tooManyPasswords(retryAfter);
	if (!(await isPassword(old, phc))) {
		countFailure([key], Date.now());
		throw new ApiError("validation_failed", "The present password is wrong.", { suggestions: ["Type it again."] });
	}
	const next = await hashPassword(password);
	if ((await store.passwordOf(environment.DB, personId)) !== phc) {
		throw new ApiError("conflict", "The password was changed meanwhile.", { suggestions: ["Sign in again."] });
	}
	await store.setPassword(environment.DB, personId, next, Date.now());
}
