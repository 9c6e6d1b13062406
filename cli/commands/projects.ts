import { Command } from "commander";
import type { Project } from "../../schema/wire/projects.ts";
import type { Page } from "../../schema/wire/resources.ts";
import { Connection, type ConnectionFlags, withConnection } from "../connection.ts";
import { ago, print, printJson, table } from "../terminal.ts";

/** `windlass projects`: what is known of the repositories that runs are made of. */

interface Flags extends ConnectionFlags {
	output: string;
	repository?: string;
	defaultBranch?: string;
	credentials?: string;
}

function command(name: string, description: string, example: string): Command {
	return withConnection(new Command(name).description(description).option("-o, --output <format>", "text or json", "text")).addHelpText(
		"after",
		`\nExample:\n  ${example}`,
	);
}

function withSettings(made: Command): Command {
	return made
		.option("--repository <address>", "what its runs are made of, unless they say otherwise; none for no repository")
		.option("--default-branch <name>", "its main line")
		.option("--credentials <secret>", "the secret with which the repository is read over HTTP (user:password, or a token); none for none");
}

/** What the flags say; `none` takes a setting away. */
function settingsOf({ repository, defaultBranch, credentials }: Flags): object {
	const orNull = (value: string) => (value === "none" ? null : value);
	return {
		...(repository === undefined ? {} : { repository: orNull(repository) }),
		...(defaultBranch === undefined ? {} : { default_branch: defaultBranch }),
		...(credentials === undefined ? {} : { credentials: orNull(credentials) }),
	};
}

const addressOf = (name: string) => `/api/v1/projects/${encodeURIComponent(name)}`;

function show(project: Project, output: string): void {
	const rows = [
		["project", project.name],
		["repository", project.repository ?? "–"],
		["default branch", project.default_branch],
		["credentials", project.credentials === null ? "–" : `the secret ${project.credentials}`],
		["changed", ago(project.updated_at)],
	];
	if (output === "json") printJson(project);
	else print(table(rows));
}

export function projectsCommand(): Command {
	return new Command("projects")
		.description("Keep projects: their repository, its main line and its credentials.")
		.addHelpText("after", "\nExample:\n  windlass projects create web --repository https://git.lan/team/web.git --credentials git_token")
		.addCommand(
			command("ls", "List the projects.", "windlass projects ls").action(async (flags: Flags) => {
				const { items } = await new Connection(flags).json<Page<Project>>("/api/v1/projects");
				if (flags.output === "json") return printJson(items);
				if (items.length === 0) return print("There is none yet: windlass projects create <name>");
				print(
					table([
						["project", "repository", "default branch"],
						...items.map((one) => [one.name, one.repository ?? "–", one.default_branch]),
					]),
				);
			}),
		)
		.addCommand(
			command("show", "Show a project.", "windlass projects show web")
				.argument("<name>", "which")
				.action(async (name: string, flags: Flags) => show(await new Connection(flags).json<Project>(addressOf(name)), flags.output)),
		)
		.addCommand(
			withSettings(command("create", "Make a project.", "windlass projects create web --repository https://git.lan/team/web.git"))
				.argument("<name>", "lower-case letters, digits, dot, dash or underscore")
				.action(async (name: string, flags: Flags) => {
					const json = { name, ...settingsOf(flags) };
					show(await new Connection(flags).json<Project>("/api/v1/projects", { method: "POST", json }), flags.output);
				}),
		)
		.addCommand(
			withSettings(command("edit", "Change a project; what is not given stays.", "windlass projects edit web --default-branch trunk"))
				.argument("<name>", "which")
				.action(async (name: string, flags: Flags) => {
					const json = settingsOf(flags);
					show(await new Connection(flags).json<Project>(addressOf(name), { method: "PATCH", json }), flags.output);
				}),
		)
		.addCommand(
			command("rm", "Remove a project with its secrets; its runs stay.", "windlass projects rm web")
				.argument("<name>", "which")
				.action(async (name: string, flags: Flags) => {
					await new Connection(flags).send(addressOf(name), { method: "DELETE" });
					if (flags.output === "json") printJson({ removed: name });
					else print(`The project ${name} is removed, and its secrets with it.`);
				}),
		);
}
