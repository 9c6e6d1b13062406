import { actorName } from "../../schema/wire/actor_name.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import type { Role } from "../../schema/wire/permissions.ts";
import type { AnonymousContext } from "../http/route.ts";
import { addToken, recordUse, type Token } from "../identity/tokens_store.ts";
import { recordAudit } from "../platform/audit_log.ts";
import { log } from "../platform/logger.ts";
import { newPerson } from "./new_person.ts";
import * as store from "./store.ts";

/** People who sign in with an account of an identity provider. */

/** An account that its owner has shown to be theirs. */
export interface ShownAccount {
	team: string;
	/** The name of the provider, and what people call it. */
	provider: string;
	label: string;
	subject: string;
	/** What they are called at the provider. */
	username: string;
}

/** A name is told apart from those that are taken by a number of at most two digits. */
const MOST_OF_NAME = 99;
const LONGEST_NAME = 60;

/**
 * Signs a person in by their account. One whom a rule lets in joins at their first sign-in.
 * @param role what the rules of the provider give; null: no rule lets this account in
 * @throws ApiError `forbidden` for an account that is let in by nobody
 */
export async function signInByAccount(context: AnonymousContext, account: ShownAccount, role: Role | null): Promise<Token> {
	const { DB } = context.environment;
	const known = await store.findAccount(DB, account);
	const person = known ? await store.findPerson(DB, account.team, known.person_id) : await joinByRule(context, account, role);
	if (!person) throw notLetIn(account, "was removed here");
	if (known?.is_by_rule) await applyRole(context, account, person, role);
	await recordUse(DB, person, context.client.address);
	return { ...person, ...(known?.is_by_rule && role !== null && { role }) };
}

/** Gives a person the role that the rules give now, and ends their access if that is none. */
async function applyRole(context: AnonymousContext, account: ShownAccount, person: Token, role: Role | null): Promise<void> {
	const { DB } = context.environment;
	if (role === null) {
		// What they had made as an admin, such as invitations, does not go on.
		await store.setRole(DB, person.id, "viewer");
		await store.signOutEverywhere(DB, person.id, Date.now());
		await record(context, person, "no rule lets them in any more", { provider: account.provider });
		throw notLetIn(account, "is in nothing any more that may sign in");
	}
	if (role === person.role) return;
	await store.setRole(DB, person.id, role);
	await record(context, person, "has another role by the rules", { provider: account.provider, before: person.role, role });
}

async function joinByRule(context: AnonymousContext, account: ShownAccount, role: Role | null): Promise<Token | undefined> {
	if (role === null) throw notLetIn(account, "is in nothing that may sign up");
	const { DB } = context.environment;
	const { team, provider, subject, label } = account;
	const now = Date.now();
	const person = await addWithFreeName(DB, account.username, { team, role, created_by: label, created_at: now });
	if (await store.addAccount(DB, { team, provider, subject, person_id: person.id, is_by_rule: true, created_at: now })) {
		await record(context, person, "has joined", { role, provider });
		return person;
	}
	// The same account has signed in in another tab at this moment.
	await store.forgetPerson(DB, person.id);
	const first = await store.findAccount(DB, account);
	return first && store.findPerson(DB, team, first.person_id);
}

/**
 * Adds a person with the name that they have at the provider. If it is taken it gets a number: an
 * account never becomes somebody else for being called alike.
 */
async function addWithFreeName(
	db: D1Database,
	username: string,
	rest: Pick<Token, "team" | "role" | "created_by" | "created_at">,
): Promise<Token> {
	const base = nameFrom(username);
	for (let number = 1; number <= MOST_OF_NAME; number += 1) {
		const name = number === 1 ? base : `${base}-${number}`;
		if (await store.wasPersonNamed(db, rest.team, name)) continue;
		const person = newPerson({ ...rest, name });
		if (await addToken(db, person)) return person;
	}
	throw new ApiError("conflict", `There are too many people of the name ${base}.`, { suggestions: ["Ask an admin for an invitation."] });
}

/** `Ada.Lovelace@example.org` becomes `ada.lovelace`. */
function nameFrom(username: string): string {
	const name = username
		.normalize("NFKD")
		.replace(/@.*$/, "")
		.toLowerCase()
		.replace(/\s+/g, "-")
		.replace(/[^a-z0-9._-]/g, "")
		.replace(/^[._-]+/, "")
		.slice(0, LONGEST_NAME);
	return actorName.safeParse(name).success ? name : "person";
}

async function record(
	{ environment, client, requestId }: AnonymousContext,
	{ team, id, name }: Token,
	what: string,
	details: Record<string, string>,
): Promise<void> {
	await recordAudit(environment, team, {
		...{ event: "people.join", actor: name, via: id, what, details },
		...{ outcome: "done", address: client.address, request_id: requestId },
	});
	log("info", `person ${what}`, { request_id: requestId, person: id, address: client.address });
}

function notLetIn({ label, username }: ShownAccount, why: string): ApiError {
	return new ApiError("forbidden", `The account ${username || "without a name"} of ${label} ${why}.`, {
		suggestions: ["Ask an admin for an invitation, or to be added to a group that may sign in."],
	});
}
