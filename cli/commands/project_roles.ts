import { Option } from "commander";
import { ROLES } from "../../schema/wire/permissions.ts";
import type { ProjectRole } from "../../schema/wire/project_roles.ts";
import type { Page } from "../../schema/wire/resources.ts";
import { Connection } from "../connection.ts";
import { ago, print, printJson, table } from "../terminal.ts";
import { command, type Flags } from "./command.ts";

/** `windlass projects roles|grant|take`: people with a greater role in one project. */

const PROJECT = ["<project>", "the name of the project"] as const;
const PERSON = ["<person>", "the name of the person"] as const;
const addressOf = (project: string) => `/api/v1/projects/${encodeURIComponent(project)}/roles`;

export function rolesCommand() {
	return command("roles", "List the people with a greater role in a project.", "windlass projects roles web")
		.argument(...PROJECT)
		.action(async (project: string, flags: Flags) => {
			const { items } = await new Connection(flags).json<Page<ProjectRole>>(addressOf(project));
			if (flags.output === "json") return printJson(items);
			if (items.length === 0)
				return print(
					`Everybody has their role of the team in ${project}. Give one: windlass projects grant ${project} ada --role maintainer`,
				);
			const rows = items.map((one) => [one.person, one.role, one.team_role, `${ago(one.granted_at)}, by ${one.granted_by}`]);
			print(table([["person", "role here", "role in the team", "given"], ...rows]));
		});
}

export function grantCommand() {
	return command(
		"grant",
		"Give a person a greater role in a project than they have in the team.",
		"windlass projects grant web ada --role maintainer",
	)
		.argument(...PROJECT)
		.argument(...PERSON)
		.addOption(
			new Option("--role <role>", "what they may do there, at most your own role there")
				.choices(ROLES.filter((role) => role !== "operator"))
				.makeOptionMandatory(),
		)
		.action(async (project: string, person: string, flags: Flags & { role: string }) => {
			const address = `${addressOf(project)}/${encodeURIComponent(person)}`;
			const granted = await new Connection(flags).json<ProjectRole>(address, { method: "PUT", json: { role: flags.role } });
			if (flags.output === "json") printJson(granted);
			else print(`${granted.person} is ${granted.role} in ${project}.`);
		});
}

export function takeCommand() {
	return command("take", "Take the role of a person in a project again.", "windlass projects take web ada")
		.argument(...PROJECT)
		.argument(...PERSON)
		.action(async (project: string, person: string, flags: Flags) => {
			await new Connection(flags).send(`${addressOf(project)}/${encodeURIComponent(person)}`, { method: "DELETE" });
			if (flags.output === "json") printJson({ taken: person });
			else print(`${person} has their role of the team in ${project}.`);
		});
}
