import * as z from "zod";
import { parseDuration } from "../../schema/wire/duration.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { newId } from "../../schema/wire/ids.ts";
import { type Invitation, type InvitationRequest, type Person, password as passwordShape } from "../../schema/wire/people.ts";
import { isAtLeast, may, type Role } from "../../schema/wire/permissions.ts";
import { validated } from "../http/bodies.ts";
import type { AnonymousContext, RequestContext } from "../http/route.ts";
import type { Client } from "../identity/client_address.ts";
import { randomSecret, sha256 } from "../identity/digest.ts";
import { blockedFor, countFailure } from "../identity/throttle.ts";
import { addToken, findActor, recordUse, type Token } from "../identity/tokens_store.ts";
import { recordAudit } from "../platform/audit_log.ts";
import { log } from "../platform/logger.ts";
import { DEFAULT_TEAM } from "../platform/team.ts";
import { hashPassword, isPassword } from "./passwords.ts";
import * as store from "./store.ts";

/** Invites people, signs them in, changes their roles and removes them. */

type Caller = RequestContext<"user">;

const chosenPassword = z.object({ password: passwordShape });
/** How long a link for a new password is valid. */
const RESET_MS = 24 * 60 * 60_000;

export async function peopleFor({ environment, principal }: Pick<Caller, "environment" | "principal">): Promise<Person[]> {
	const found = await store.listPeople(environment.DB, principal.team);
	return found.map(({ id, name, role, created_by, created_at, last_used_on, last_used_from }) => ({
		...{ id, name, role, invited_by: created_by, joined_at: new Date(created_at).toISOString() },
		last_seen: last_used_on === null ? null : { on: last_used_on, from: last_used_from ?? "unknown" },
		is_current: id === principal.personId,
	}));
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

function assertGrants({ name, role: own }: Caller["principal"], role: Role): void {
	if (isAtLeast(own, role)) return;
	throw new ApiError("forbidden", `${name} is ${own}, and does not decide about the role ${role}.`, {
		details: { role: own },
		suggestions: [`Ask a person with the role ${role}.`],
	});
}

/** What an invitation offers; null if it is unknown, used or expired. */
export async function invitationOf({ environment }: AnonymousContext, code: string): Promise<store.InvitationRow | null> {
	const found = await store.findInvitation(environment.DB, await sha256(code), Date.now());
	return found && (await isGranted(environment.DB, found)) ? found : null;
}

/** Whether the one who made an invitation could make it now: they may have been removed, or its person may have a greater role. */
async function isGranted(db: D1Database, { team, inviter_id, role, person_id }: store.InvitationRow): Promise<boolean> {
	const inviter = await findActor(db, team, inviter_id);
	const person = person_id === null ? null : await store.findPerson(db, team, person_id);
	const greatest = person ? person.role : role;
	return inviter !== undefined && person !== undefined && may(inviter.role, "people.manage") && isAtLeast(inviter.role, greatest);
}

/**
 * Uses an invitation: somebody joins, or sets a new password.
 * @returns the person, for their session
 * @throws ApiError `validation_failed` for the password; `authentication_required` for a code that
 * does not work; `conflict` for a name that was taken meanwhile
 */
export async function join(context: AnonymousContext, code: string, password: string): Promise<Token> {
	const { environment, client, requestId } = context;
	const { DB } = environment;
	const row = await invitationOf(context, code);
	if (row === null) throw notWorking();
	validated(chosenPassword, { password });
	const phc = await hashPassword(password);
	const now = Date.now();
	if (!(await store.useInvitation(DB, row.hash, now))) throw notWorking();
	const person = row.person_id === null ? await addPerson(DB, row, now) : await store.findPerson(DB, row.team, row.person_id);
	if (!person) throw notWorking();
	await store.setPassword(DB, person.id, phc, now);
	await recordUse(DB, person, client.address);
	await recordAudit(environment, row.team, {
		...{ event: "people.join", actor: person.name, via: person.id, what: row.person_id === null ? "has joined" : "has a new password" },
		...{ details: { role: person.role, invited_by: row.created_by }, outcome: "done", address: client.address, request_id: requestId },
	});
	log("info", "person joined", { request_id: requestId, person: person.id, address: client.address });
	return person;
}

async function addPerson(db: D1Database, { team, name, role, created_by }: store.InvitationRow, now: number): Promise<Token> {
	const id = newId("person");
	const person: Token = {
		...{ id, team, kind: "person", name, role, projects: null, person_id: null, created_by, created_at: now },
		// Nothing has this digest: only sessions stand for a person.
		...{ hash: `person ${id}`, expires_at: null, revoked_at: null, last_used_on: null, last_used_from: null },
	};
	if (await addToken(db, person)) return person;
	throw new ApiError("conflict", `Somebody or some token has taken the name ${name} meanwhile.`, {
		suggestions: ["Ask for another invitation."],
	});
}

function notWorking(): ApiError {
	return new ApiError("authentication_required", "The invitation was used, has expired, or does not exist.", {
		suggestions: ["Ask an admin for a new one: windlass people invite, or windlass people reset."],
	});
}

/**
 * Signs a person in by their password. Whether the name or the password is wrong is not said, and
 * takes as long to find out.
 * @throws ApiError `authentication_required`; `rate_limited` before anything is hashed
 */
export async function signInByPassword(environment: Caller["environment"], client: Client, name: string, password: string): Promise<Token> {
	// By the address alone: nobody locks out a person, and the hashes bound how many can be tried.
	const key = `passwords from ${client.address}`;
	const retryAfter = blockedFor(key, Date.now());
	if (retryAfter !== null) throw tooManyPasswords(retryAfter);
	const found = await store.findByName(environment.DB, DEFAULT_TEAM, name);
	const isRight = await isPassword(password, found?.phc ?? null);
	// It may have been changed meanwhile.
	if (found && isRight && (await store.passwordOf(environment.DB, found.person.id)) === found.phc) {
		await recordUse(environment.DB, found.person, client.address);
		return found.person;
	}
	countFailure([key], Date.now());
	throw new ApiError("authentication_required", "The name or the password is wrong.", {
		suggestions: ["Check both. An admin makes a link for a new password: windlass people reset"],
	});
}

function tooManyPasswords(retryAfter: number): ApiError {
	return new ApiError("rate_limited", "Too many wrong passwords.", {
		headers: { "Retry-After": String(retryAfter) },
		suggestions: [`Try again in ${retryAfter} seconds.`],
	});
}

/** Changes the password of the caller, and ends their sessions. @throws ApiError `conflict`, `authentication_required`, `validation_failed` */
export async function changePassword(
	{ environment, principal }: Caller,
	{ old, password }: { old: string; password: string },
): Promise<void> {
	const { personId } = principal;
	const phc = personId && (await store.passwordOf(environment.DB, personId));
	if (!personId || !phc) {
		throw new ApiError("conflict", `${principal.name} is a token, and has no password.`, { suggestions: ["Sign in as a person."] });
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
