import { type Command, Option } from "commander";
import { ROLES } from "../../schema/wire/permissions.ts";
import type { Page } from "../../schema/wire/resources.ts";
import { DEFAULT_TEAM } from "../../schema/wire/teams.ts";
import type { Caller, CreatedToken, Token } from "../../schema/wire/tokens.ts";
import { Connection } from "../connection.ts";
import { ago, print, printJson, table } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command, type Flags, nameList } from "./command.ts";

/** `windlass token create|list|rotate|revoke` and `windlass whoami`. */

interface CreateFlags extends Flags {
	role: string;
	projects?: string;
	kind?: string;
	expiresIn: string;
}

const TOKENS = "/api/v1/tokens";
const EXPIRES_IN = ["--expires-in <duration>", "how long the token is valid, at most a year", "90d"] as const;

function listText(tokens: readonly Token[]): string {
	const rows = tokens.map((one) => [
		one.is_current ? `${one.name} (this one)` : one.name,
		one.role,
		one.projects?.join(", ") ?? "all",
		one.last_used === null ? "never" : `${one.last_used.on}, ${one.last_used.from}`,
		`${one.created_by}, ${ago(one.created_at)}`,
		one.expires_at ?? "never",
		one.id,
	]);
	return table([["name", "role", "projects", "last used", "created by", "expires", "id"], ...rows]);
}

/** The token of a name or an id. @throws UsageError */
async function tokenOf(connection: Connection, given: string): Promise<Token> {
	const { items } = await connection.json<Page<Token>>(TOKENS);
	const found = items.find(({ id, name }) => id === given || name === given);
	if (!found) throw new UsageError(`there is no token ${given} that you may see; windlass token list shows those that you may`);
	return found;
}

function showMade(made: CreatedToken, { output }: Flags): void {
	if (output === "json") printJson(made);
	else print(made.token);
}

/** The commands of tokens that ask the coordinator. */
export function tokenCommands(): Command[] {
	return [createCommand(), listCommand(), rotateCommand(), revokeCommand()];
}

function createCommand(): Command {
	return command(
		"create",
		"Make a token: for a program, or for yourself if you are a person. It is shown once.",
		"windlass token create deploy-bot --role developer --projects web --expires-in 90d",
	)
		.argument("<name>", "who acts with it, such as deploy-bot")
		.addOption(new Option("--role <role>", "what it may do, at most your own role").choices(ROLES).makeOptionMandatory())
		.option("--projects <names>", "the only projects that it opens, separated by commas (default: all, for admins)")
		.addOption(
			new Option("--kind <kind>", "personal acts as you (default: personal without projects, if you are a person)").choices([
				"personal",
				"service",
				"project",
			]),
		)
		.option(...EXPIRES_IN)
		.action(async (name: string, flags: CreateFlags) => {
			const { role, projects, expiresIn, kind } = flags;
			const json = {
				name,
				role,
				kind,
				expires_in: expiresIn,
				...(projects === undefined ? {} : { projects: nameList("--projects", projects) }),
			};
			showMade(await new Connection(flags).json<CreatedToken>(TOKENS, { method: "POST", json }), flags);
		});
}

function listCommand(): Command {
	return command(
		"list",
		"List the tokens that you made, and for an admin all. The tokens themselves are never shown.",
		"windlass token list",
	)
		.alias("ls")
		.action(async (flags: Flags) => {
			const { items } = await new Connection(flags).json<Page<Token>>(TOKENS);
			if (flags.output === "json") printJson(items);
			else print(listText(items));
		});
}

function rotateCommand(): Command {
	return command(
		"rotate",
		"Give a token another secret. The former one is invalid at once.",
		"windlass token rotate deploy-bot --expires-in 90d",
	)
		.argument("<token>", "its name or its id (tok_…)")
		.option(...EXPIRES_IN)
		.action(async (given: string, flags: Flags & { expiresIn: string }) => {
			const connection = new Connection(flags);
			const { id } = await tokenOf(connection, given);
			const json = { expires_in: flags.expiresIn };
			showMade(await connection.json<CreatedToken>(`${TOKENS}/${id}/rotate`, { method: "POST", json }), flags);
		});
}

function revokeCommand(): Command {
	return command("revoke", "Revoke a token at once, with the sessions that it opened.", "windlass token revoke deploy-bot")
		.argument("<token>", "its name or its id (tok_…)")
		.action(async (given: string, flags: Flags) => {
			const connection = new Connection(flags);
			const { id, name } = await tokenOf(connection, given);
			await connection.send(`${TOKENS}/${id}`, { method: "DELETE" });
			if (flags.output === "json") printJson({ revoked: id });
			else print(`Token ${name} is revoked.`);
		});
}

export function whoamiCommand(): Command {
	return command("whoami", "Say who your token is, and what it may do.", "windlass whoami").action(async (flags: Flags) => {
		const { token_id, team, home, name, role, projects, expires_at, may } = await new Connection(flags).json<Caller>("/api/v1/whoami");
		if (flags.output === "json") return printJson({ token_id, team, home, name, role, projects, expires_at, may });
		if (team !== DEFAULT_TEAM) print(`In the team ${team}:`);
		print(`${name}, ${role}${projects === null ? "" : `, of ${projects.join(", ")} only`}`);
		print(expires_at === null ? "The token does not expire." : `The token expires at ${expires_at}.`);
		print(`May: ${may.join(", ")}`);
	});
}
