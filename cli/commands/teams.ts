import { Command } from "commander";
import type { Page } from "../../schema/wire/resources.ts";
import type { CreatedTeam, Team } from "../../schema/wire/teams.ts";
import { Connection } from "../connection.ts";
import { ago, print, printJson, table } from "../terminal.ts";
import { command, type Flags } from "./command.ts";

/** `windlass teams`: an operator makes teams. */

const TEAMS = "/api/v1/teams";

export function teamsCommand(): Command {
	const teams = new Command("teams")
		.description("Make teams that share the coordinator and see nothing of each other.")
		.addHelpText("after", "\nExample:\n  windlass teams create web --admin ada\n  windlass ls --team web");
	teams.addCommand(listCommand(), { isDefault: true });
	teams.addCommand(createCommand());
	teams.addCommand(renameCommand());
	return teams;
}

function listCommand(): Command {
	return command("ls", "List all teams.", "windlass teams ls").action(async (flags: Flags) => {
		const { items } = await new Connection(flags).json<Page<Team>>(TEAMS);
		if (flags.output === "json") return printJson(items);
		const rows = items.map(({ slug, name, people, projects, created_by, created_at }) => [
			...[slug, name, String(people), String(projects), `${ago(created_at)}, by ${created_by}`],
		]);
		print(table([["slug", "name", "people", "projects", "made"], ...rows]));
	});
}

function createCommand(): Command {
	return command(
		"create",
		"Make a team. With --admin it prints a link with which its first admin joins. Run again, it changes nothing and prints no link.",
		'windlass teams create web --name "Web and mobile" --admin ada',
	)
		.argument("<slug>", "its short name in addresses and commands")
		.option("--name <name>", "its name as people read it")
		.option("--admin <name>", "who gets the invitation")
		.action(async (slug: string, flags: Flags & { name?: string; admin?: string }) => {
			const json = { slug, name: flags.name, admin: flags.admin };
			const made = await new Connection(flags).json<CreatedTeam>(TEAMS, { method: "POST", json });
			if (flags.output === "json") return printJson(made);
			print(made.invitation?.url ?? `The team ${made.slug} is there. Act in it with --team ${made.slug}.`);
		});
}

function renameCommand(): Command {
	return command("rename", "Change the name of a team. Its slug stays.", 'windlass teams rename web "The web"')
		.argument("<slug>", "the team")
		.argument("<name>", "its new name")
		.action(async (slug: string, name: string, flags: Flags) => {
			const team = await new Connection(flags).json<Team>(`${TEAMS}/${encodeURIComponent(slug)}`, { method: "PATCH", json: { name } });
			if (flags.output === "json") return printJson(team);
			print(`The team ${team.slug} is called ${team.name}.`);
		});
}
