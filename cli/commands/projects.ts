import { Command } from "commander";
import type { Undelivered } from "../../schema/wire/notifications.ts";
import type { Project } from "../../schema/wire/projects.ts";
import type { Page, SubmittedRun } from "../../schema/wire/resources.ts";
import { type ConfirmedFlags, confirm, YES } from "../confirmation.ts";
import { Connection } from "../connection.ts";
import { ago, counted, paint, print, printJson, table } from "../terminal.ts";
import { command, type Flags, PARAMETER, pairs, repeatable } from "./command.ts";
import { grantCommand, rolesCommand, takeCommand } from "./project_roles.ts";
import { changedSettings, settingRows, withSettings } from "./project_settings.ts";
import { printAddress } from "./submitted_run.ts";

/** `windlass projects`: the projects, with their repositories and forges. */

const PROJECT = ["<name>", "the name of the project"] as const;
const addressOf = (name: string) => `/api/v1/projects/${encodeURIComponent(name)}`;

function show(project: Project, output: string): void {
	if (output === "json") {
		printJson(project);
		return;
	}
	const rows = [
		["project", project.name],
		...settingRows(project),
		["webhook", project.hook_url],
		["refs compared", comparisonText(project)],
		["changed", ago(project.updated_at)],
	];
	print(table(rows));
	for (const notice of project.notices) print(`${paint("yellow", "notice")}: ${notice}`);
}

function comparisonText({ comparison }: Project): string {
	if (comparison === null) return "never: it needs a repository, and a hook secret or a poll interval";
	const { compared_at, found, next_at } = comparison;
	const last =
		compared_at === null ? "not yet" : `${ago(compared_at)}: ${found === 0 ? "no new commits" : counted(found ?? 0, "new commit")}`;
	return next_at === null ? `${last}; next after an outage` : `${last}; next at ${next_at}`;
}

function undeliveredText(items: readonly Undelivered[]): string {
	if (items.length === 0) return "All statuses and notifications are sent.";
	const rows = items.map((one) => [
		one.given_up ? paint("red", "given up") : counted(one.tries, "attempt"),
		one.kind.replace("_", " "),
		one.what,
		one.error ?? "–",
	]);
	return table([["state", "kind", "about", "error"], ...rows]);
}

export function projectsCommand(): Command {
	return new Command("projects")
		.description("Manage projects: their repositories, credentials and forges.")
		.addHelpText("after", "\nExample:\n  windlass projects create web --repository https://git.lan/team/web.git --credentials git_token")
		.addCommand(
			command("ls", "List the projects.", "windlass projects ls").action(async (flags: Flags) => {
				const { items } = await new Connection(flags).json<Page<Project>>("/api/v1/projects");
				if (flags.output === "json") return printJson(items);
				if (items.length === 0) return print("There is no project yet. Create one: windlass projects create <name>");
				const rows = items.map((one) => [one.name, one.repository ?? "–", one.default_branch, one.forge ?? "–"]);
				print(table([["project", "repository", "default branch", "forge"], ...rows]));
			}),
		)
		.addCommand(
			command("show", "Show a project.", "windlass projects show web")
				.argument(...PROJECT)
				.action(async (name: string, flags: Flags) => show(await new Connection(flags).json<Project>(addressOf(name)), flags.output)),
		)
		.addCommand(
			withSettings(command("create", "Create a project.", "windlass projects create web --repository https://git.lan/team/web.git"))
				.argument("<name>", "lower-case letters, digits, dot, dash or underscore")
				.action(async (name: string, flags: Flags, called: Command) => {
					const json = { name, ...changedSettings(called) };
					show(await new Connection(flags).json<Project>("/api/v1/projects", { method: "POST", json }), flags.output);
				}),
		)
		.addCommand(
			withSettings(command("edit", "Change settings of a project. The others stay.", "windlass projects edit web --default-branch trunk"))
				.argument(...PROJECT)
				.action(async (name: string, flags: Flags, called: Command) => {
					const json = changedSettings(called);
					show(await new Connection(flags).json<Project>(addressOf(name), { method: "PATCH", json }), flags.output);
				}),
		)
		.addCommand(rolesCommand())
		.addCommand(grantCommand())
		.addCommand(takeCommand())
		.addCommand(triggerCommand())
		.addCommand(
			command("compare", "Look for new commits in the repository, and run their pipelines.", "windlass projects compare web")
				.argument(...PROJECT)
				.action(async (name: string, flags: Flags) => {
					const run = await new Connection(flags).json<SubmittedRun>(`${addressOf(name)}/compare`, { method: "POST" });
					if (flags.output === "json") printJson(run);
					else printAddress(run);
				}),
		)
		.addCommand(
			command("undelivered", "List the statuses and notifications that are not sent.", "windlass projects undelivered web")
				.argument(...PROJECT)
				.action(async (name: string, flags: Flags) => {
					const { items } = await new Connection(flags).json<Page<Undelivered>>(`${addressOf(name)}/undelivered`);
					if (flags.output === "json") printJson(items);
					else print(undeliveredText(items));
				}),
		)
		.addCommand(
			command("rm", "Remove a project with its secrets and schedules. Its runs stay.", "windlass projects rm web --yes")
				.argument(...PROJECT)
				.option(...YES)
				.action(async (name: string, flags: Flags & ConfirmedFlags) => {
					const connection = new Connection(flags);
					await confirm(`Remove project ${name}, with its secrets and schedules`, flags);
					await connection.send(addressOf(name), { method: "DELETE" });
					if (flags.output === "json") printJson({ removed: name });
					else print(`Project ${name} is removed, with its secrets and schedules.`);
				}),
		);
}

function triggerCommand(): Command {
	return command("trigger", "Run the pipelines of the repository, as a push would.", "windlass projects trigger web --branch main")
		.argument(...PROJECT)
		.option("--branch <name>", "the branch to run (default: the default branch)")
		.option("--tag <name>", "the tag to run")
		.option("--file <path>", "only this pipeline file, whatever its `on` says, such as .windlass/nightly.yml (default: as for a push)")
		.addOption(repeatable(...PARAMETER))
		.action(async (name: string, flags: Flags & { branch?: string; tag?: string; file?: string; param?: string[] }) => {
			const { branch, tag, file } = flags;
			const json = { branch, tag, file, params: pairs("--param", flags.param) };
			const run = await new Connection(flags).json<SubmittedRun>(`${addressOf(name)}/trigger`, { method: "POST", json });
			if (flags.output === "json") printJson(run);
			else printAddress(run);
		});
}
