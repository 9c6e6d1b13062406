import { ApiError } from "../../schema/wire/errors.ts";
import { isAtLeast, may } from "../../schema/wire/permissions.ts";
import { validated } from "../http/bodies.ts";
import type { AnonymousContext } from "../http/route.ts";
import { isOperator } from "../identity/acting_team.ts";
import { sha256 } from "../identity/digest.ts";
import { principalOf } from "../identity/principal.ts";
import { addToken, recordUse, type Token } from "../identity/tokens_store.ts";
import { recordAudit } from "../platform/audit_log.ts";
import { log } from "../platform/logger.ts";
import type { ShownAccount } from "./account_people.ts";
import { newPerson } from "./new_person.ts";
import { chosenPassword, hashPassword } from "./passwords.ts";
import * as store from "./store.ts";

/** People who use an invitation. */

/** What an invitation offers; null if it is unknown, used or expired. */
export async function invitationOf({ environment }: AnonymousContext, code: string): Promise<store.InvitationRow | null> {
	const found = await store.findInvitation(environment.DB, await sha256(code), Date.now());
	return found && (await isGranted(environment.DB, found)) ? found : null;
}

/** Whether the one who made an invitation could make it now: they may have been removed, or its person may have a greater role. */
async function isGranted(db: D1Database, { team, inviter_id, role, person_id }: store.InvitationRow): Promise<boolean> {
	const inviter = await principalOf(db, inviter_id);
	if (inviter === null || (inviter.team !== team && !isOperator(inviter))) return false;
	const person = person_id === null ? null : await store.findPerson(db, team, person_id);
	const greatest = person ? person.role : role;
	return person !== undefined && may(inviter.role, "people.manage") && isAtLeast(inviter.role, greatest);
}

/**
 * Uses an invitation: somebody joins, or sets a new password.
 * @returns the person, for their session
 * @throws ApiError `validation_failed` for the password; `authentication_required` for a code that
 * does not work; `conflict` for a name that was taken meanwhile
 */
export async function join(context: AnonymousContext, code: string, password: string): Promise<Token> {
	const row = await workingInvitation(context, code);
	validated(chosenPassword, { password });
	const phc = await hashPassword(password);
	return admit(context, row, "a password", async ({ id }, now) => {
		await store.setPassword(context.environment.DB, id, phc, now);
		return true;
	});
}

/** The same with an account of an identity provider instead of a password. */
export async function joinWithAccount(
	context: AnonymousContext,
	code: string,
	{ team, provider, label, subject }: ShownAccount,
): Promise<Token> {
	const row = await workingInvitation(context, code);
	if (row.team !== team) throw notWorking();
	const account = { team: row.team, provider, subject };
	return admit(context, row, label, async ({ id }, now) =>
		store.setAccount(context.environment.DB, { ...account, person_id: id, is_by_rule: false, created_at: now }),
	);
}

async function workingInvitation(context: AnonymousContext, code: string): Promise<store.InvitationRow> {
	const row = await invitationOf(context, code);
	if (row === null) throw notWorking();
	return row;
}

/** Uses an invitation. @param attach gives the person what they sign in with; false: it is somebody else's */
async function admit(
	{ environment, client, requestId }: AnonymousContext,
	row: store.InvitationRow,
	by: string,
	attach: (person: Token, now: number) => Promise<boolean>,
): Promise<Token> {
	const { DB } = environment;
	const now = Date.now();
	if (!(await store.useInvitation(DB, row.hash, now))) throw notWorking();
	const person = row.person_id === null ? await addPerson(DB, row, now) : await store.findPerson(DB, row.team, row.person_id);
	if (!person) throw notWorking();
	if (!(await attach(person, now))) {
		if (row.person_id === null) await store.forgetPerson(DB, person.id);
		throw new ApiError("conflict", "Somebody else signs in with this account already.", {
			suggestions: ["Ask for another invitation, and take another account or a password."],
		});
	}
	await recordUse(DB, person, client.address);
	const what = row.person_id === null ? "has joined" : "signs in anew";
	await recordAudit(environment, row.team, {
		...{ event: "people.join", actor: person.name, via: person.id, what },
		...{ details: { role: person.role, invited_by: row.created_by, by }, outcome: "done", address: client.address, request_id: requestId },
	});
	log("info", "person joined", { request_id: requestId, person: person.id, address: client.address });
	return person;
}

async function addPerson(db: D1Database, { team, name, role, created_by }: store.InvitationRow, now: number): Promise<Token> {
	const person = newPerson({ team, name, role, created_by, created_at: now });
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
