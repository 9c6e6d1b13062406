import { Command, Option } from "commander";
import { formatDuration } from "../../schema/wire/duration.ts";
import type { Invitation, OpenInvitation, Person } from "../../schema/wire/people.ts";
import { ROLES } from "../../schema/wire/permissions.ts";
import type { Page } from "../../schema/wire/resources.ts";
import { Connection } from "../connection.ts";
import { ago, print, printJson, table } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command, type Flags } from "./command.ts";

/** `windlass people`: who may sign in, and with which role. */

const PEOPLE = "/api/v1/people";
const INVITATIONS = "/api/v1/invitations";

const role = () => new Option("--role <role>", "what they may do, at most your own role").choices(ROLES).makeOptionMandatory();

export function peopleCommand(): Command {
	const people = new Command("people")
		.description("Manage the people who sign in.")
		.addHelpText("after", "\nExample:\n  windlass people invite ada --role maintainer");
	people.addCommand(listCommand(), { isDefault: true });
	for (const one of [
		inviteCommand(),
		invitationsCommand(),
		withdrawCommand(),
		roleCommand(),
		resetCommand(),
		signOutCommand(),
		removeCommand(),
	])
		people.addCommand(one);
	return people;
}

async function personOf(connection: Connection, given: string): Promise<Person> {
	const { items } = await connection.json<Page<Person>>(PEOPLE);
	const found = items.find(({ id, name }) => id === given || name === given);
	if (!found) throw new UsageError(`there is no person ${given}; windlass people shows all`);
	return found;
}

function showLink(made: Invitation, { output }: Flags): void {
	if (output === "json") printJson(made);
	else print(made.url);
}

function listCommand(): Command {
	return command("ls", "List the people with their roles.", "windlass people ls").action(async (flags: Flags) => {
		const { items } = await new Connection(flags).json<Page<Person>>(PEOPLE);
		if (flags.output === "json") return printJson(items);
		if (items.length === 0) return print("Nobody has joined yet. Invite somebody: windlass people invite ada --role maintainer");
		const rows = items.map((one) => [
			one.is_current ? `${one.name} (you)` : one.name,
			one.role,
			one.last_seen === null ? "never" : `${one.last_seen.on}, ${one.last_seen.from}`,
			`${ago(one.joined_at)}, by ${one.invited_by}`,
			one.id,
		]);
		print(table([["name", "role", "signed in last", "joined", "id"], ...rows]));
	});
}

function inviteCommand(): Command {
	return command(
		"invite",
		"Invite somebody. The link is shown once and works once. The person who opens it chooses a password, or an account of an identity provider.",
		"windlass people invite ada --role maintainer",
	)
		.argument("<name>", "with which they sign in")
		.addOption(role())
		.option("--expires-in <duration>", "how long the link works, at most 30d", "3d")
		.action(async (name: string, flags: Flags & { role: string; expiresIn: string }) => {
			const json = { name, role: flags.role, expires_in: flags.expiresIn };
			showLink(await new Connection(flags).json<Invitation>(PEOPLE, { method: "POST", json }), flags);
		});
}

function roleCommand(): Command {
	return command("role", "Change the role of a person.", "windlass people role ada --role admin")
		.argument("<person>", "their name or their id (per_…)")
		.addOption(role())
		.action(async (given: string, flags: Flags & { role: string }) => {
			const connection = new Connection(flags);
			const { id } = await personOf(connection, given);
			const changed = await connection.json<Person>(`${PEOPLE}/${id}`, { method: "PATCH", json: { role: flags.role } });
			if (flags.output === "json") printJson(changed);
			else print(`${changed.name} is ${changed.role}.`);
		});
}

function resetCommand(): Command {
	return command(
		"reset",
		"Make a link with which a person signs in anew: with a new password, or an account. It works once, for a day.",
		"windlass people reset ada",
	)
		.argument("<person>", "their name or their id (per_…)")
		.action(async (given: string, flags: Flags) => {
			const connection = new Connection(flags);
			const { id } = await personOf(connection, given);
			showLink(await connection.json<Invitation>(`${PEOPLE}/${id}/reset`, { method: "POST" }), flags);
		});
}

function invitationsCommand(): Command {
	return command("invitations", "List the invitations that nobody has used yet.", "windlass people invitations").action(
		async (flags: Flags) => {
			const { items } = await new Connection(flags).json<Page<OpenInvitation>>(INVITATIONS);
			if (flags.output === "json") return printJson(items);
			if (items.length === 0) return print("No invitation is open.");
			const rows = items.map((one) => [one.name, one.role, one.is_reset ? "signs in anew" : "joins", one.invited_by, left(one.expires_at)]);
			print(table([["name", "role", "what for", "by", "works for"], ...rows]));
		},
	);
}

function left(until: string): string {
	return formatDuration(Math.max(0, Date.parse(until) - Date.now()));
}

function withdrawCommand(): Command {
	return command("withdraw", "Withdraw an invitation: its link works no more.", "windlass people withdraw ada")
		.argument("<name>", "the name in the invitation")
		.action(async (name: string, flags: Flags) => {
			await new Connection(flags).send(`${INVITATIONS}/${encodeURIComponent(name)}`, { method: "DELETE" });
			if (flags.output === "json") printJson({ withdrawn: name });
			else print(`The invitation of ${name} works no more.`);
		});
}

function signOutCommand(): Command {
	return command("sign-out", "End the sessions and personal tokens of a person.", "windlass people sign-out ada")
		.argument("<person>", "their name or their id (per_…)")
		.action(async (given: string, flags: Flags) => {
			const connection = new Connection(flags);
			const { id, name } = await personOf(connection, given);
			await connection.send(`${PEOPLE}/${id}/sign-out`, { method: "POST" });
			if (flags.output === "json") printJson({ signed_out: id });
			else print(`${name} is signed out everywhere.`);
		});
}

function removeCommand(): Command {
	return command("rm", "Remove a person with their sessions and personal tokens.", "windlass people rm ada")
		.argument("<person>", "their name or their id (per_…)")
		.action(async (given: string, flags: Flags) => {
			const connection = new Connection(flags);
			const { id, name } = await personOf(connection, given);
			await connection.send(`${PEOPLE}/${id}`, { method: "DELETE" });
			if (flags.output === "json") printJson({ removed: id });
			else print(`${name} is removed.`);
		});
}
