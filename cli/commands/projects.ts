import { Command } from "commander";
import type { Undelivered } from "../../schema/wire/notifications.ts";
import type { Project } from "../../schema/wire/projects.ts";
import type { Page, SubmittedRun } from "../../schema/wire/resources.ts";
import { type ConfirmedFlags, confirm, YES } from "../confirmation.ts";
import { Connection, type ConnectionFlags } from "../connection.ts";
import { ago, paint, print, printJson, table } from "../terminal.ts";
import { command, pairs, several } from "./command.ts";

/** `windlass projects`: what is known of the repositories that runs are made of, and of the forges that they are kept in. */

interface Flags extends ConnectionFlags {
	output: string;
}

/** The settings, each with its option; `none` takes one away. */
const SETTINGS = [
	{ key: "repository", option: "--repository <address>", what: "what its runs are made of, unless they say otherwise" },
	{ key: "default_branch", option: "--default-branch <name>", what: "its main line" },
	{
		key: "credentials",
		option: "--credentials <secret>",
		what: "the secret with which the repository is read over HTTP (user:password, or a token)",
	},
	{
		key: "config",
		option: "--config <path>",
		what: "the file, or folder, that says what is to be run (.windlass.yml, .windlass.yaml or .windlass/)",
	},
	{ key: "hook_secret", option: "--hook-secret <secret>", what: "the secret that deliveries of its forge are signed with" },
	{ key: "forge", option: "--forge <kind>", what: "github, gitea or gitlab: where commit statuses are sent" },
	{ key: "forge_api", option: "--forge-api <url>", what: "where the API of the forge is" },
	{ key: "forge_token", option: "--forge-token <secret>", what: "the secret that holds a token for it" },
	{ key: "status_context", option: "--status-context <text>", what: "what the names of commit statuses begin with" },
	{ key: "poll", option: "--poll <duration>", what: "how often an agent looks for new commits, for a server that sends no webhooks" },
	{ key: "keep_runs", option: "--keep-runs <duration>", what: "for how long its runs are kept" },
	{ key: "keep_logs", option: "--keep-logs <duration>", what: "for how long their logs are" },
	{ key: "keep_artifacts", option: "--keep-artifacts <duration>", what: "for how long their artifacts are" },
] as const satisfies readonly { key: keyof Project; option: string; what: string }[];

const FLAGS = ["public_badges", "require_pipeline"] as const satisfies readonly (keyof Project)[];

function withSettings(made: Command): Command {
	for (const { option, what } of SETTINGS) made.option(option, `${what}; none for none`);
	for (const { option, what } of CHECKOUT) made.option(option, `${what}; default for the usual`);
	return made
		.option("--public-badges", "everybody may see its badges")
		.option("--no-public-badges", "who is signed in may see its badges")
		.option("--require-pipeline", "a commit without a pipeline file has a failed status")
		.option("--no-require-pipeline", "a commit without a pipeline file has no status");
}

/** How much of the repository its jobs get; `default` takes one away, as `none` is a value here. */
const CHECKOUT = [
	{ key: "checkout_depth", option: "--checkout-depth <commits>", what: "how many commits of history jobs get, or full", read: Number },
	{ key: "checkout_tags", option: "--checkout-tags <yes|no>", what: "whether jobs get all tags", read: yesOrNo },
	{ key: "checkout_submodules", option: "--checkout-submodules <which>", what: "none, true or recursive", read: String },
	{ key: "checkout_lfs", option: "--checkout-lfs <yes|no>", what: "whether jobs get the large files of Git LFS", read: yesOrNo },
] as const satisfies readonly { key: keyof Project; option: string; what: string; read: (text: string) => unknown }[];

function yesOrNo(text: string): boolean | string {
	return text === "yes" ? true : text === "no" ? false : text;
}

/** What the options of this call say. */
function settingsOf(made: Command): object {
	const given = made.opts() as Record<string, string>;
	const nameOf = (key: string) => key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
	const texts = SETTINGS.flatMap(({ key }) => {
		const value = given[nameOf(key)];
		return value === undefined ? [] : [[key, value === "none" ? null : value]];
	});
	const checkout = CHECKOUT.flatMap(({ key, read }) => {
		const value = given[nameOf(key)];
		if (value === undefined) return [];
		return [[key, value === "default" ? null : value === "full" ? value : read(value)]];
	});
	const flags = FLAGS.filter((key) => made.getOptionValueSource(nameOf(key)) === "cli").map((key) => [key, given[nameOf(key)]]);
	return Object.fromEntries([...texts, ...checkout, ...flags]);
}

function toldOf(value: string | number | boolean | null): string {
	return typeof value === "boolean" ? (value ? "yes" : "no") : String(value ?? "–");
}

const addressOf = (name: string) => `/api/v1/projects/${encodeURIComponent(name)}`;

function show(project: Project, output: string): void {
	if (output === "json") {
		printJson(project);
		return;
	}
	const rows = [
		["project", project.name],
		...SETTINGS.map(({ key }) => [key.replace("_", " "), project[key] ?? "–"]),
		...CHECKOUT.map(({ key }) => [key.replace("_", " "), toldOf(project[key])]),
		["require pipeline", project.require_pipeline ? "yes" : "no"],
		["badges", project.public_badges ? "for everybody" : "for who is signed in"],
		["hook", project.hook_url],
		["refs compared", comparisonOf(project)],
		["changed", ago(project.updated_at)],
	];
	print(table(rows));
	for (const notice of project.notices) print(`${paint("yellow", "notice")}: ${notice}`);
}

function comparisonOf({ comparison }: Project): string {
	if (comparison === null) return "never: it has no repository, or neither hook secret nor poll";
	const { compared_at, found, next_at } = comparison;
	const last = compared_at === null ? "not yet" : `${ago(compared_at)}: ${found === 0 ? "nothing was missed" : `${found} new`}`;
	return next_at === null ? `${last}; next after an outage` : `${last}; next at ${next_at}`;
}

export function projectsCommand(): Command {
	return new Command("projects")
		.description("Keep projects: their repository, its main line and credentials, its forge.")
		.addHelpText("after", "\nExample:\n  windlass projects create web --repository https://git.lan/team/web.git --credentials git_token")
		.addCommand(
			command("ls", "List the projects.", "windlass projects ls").action(async (flags: Flags) => {
				const { items } = await new Connection(flags).json<Page<Project>>("/api/v1/projects");
				if (flags.output === "json") return printJson(items);
				if (items.length === 0) return print("There is none yet: windlass projects create <name>");
				const rows = items.map((one) => [one.name, one.repository ?? "–", one.default_branch, one.forge ?? "–"]);
				print(table([["project", "repository", "default branch", "forge"], ...rows]));
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
				.action(async (name: string, flags: Flags, made: Command) => {
					const json = { name, ...settingsOf(made) };
					show(await new Connection(flags).json<Project>("/api/v1/projects", { method: "POST", json }), flags.output);
				}),
		)
		.addCommand(
			withSettings(command("edit", "Change a project; what is not given stays.", "windlass projects edit web --default-branch trunk"))
				.argument("<name>", "which")
				.action(async (name: string, flags: Flags, made: Command) => {
					const json = settingsOf(made);
					show(await new Connection(flags).json<Project>(addressOf(name), { method: "PATCH", json }), flags.output);
				}),
		)
		.addCommand(
			command("trigger", "Run what its repository says.", "windlass projects trigger web --branch main")
				.argument("<name>", "which")
				.option("--branch <name>", "of this branch (default: its main line)")
				.option("--tag <name>", "of this tag")
				.option("--file <path>", "this file, whatever its `on` says, such as .windlass/nightly.yml (default: what a push would run)")
				.option("-p, --param <name=value>", "a parameter; may be repeated", several, [])
				.action(async (name: string, flags: Flags & { branch?: string; tag?: string; file?: string; param: string[] }) => {
					const { branch, tag, file } = flags;
					const json = { branch, tag, file, params: pairs("--param", flags.param) };
					const run = await new Connection(flags).json<SubmittedRun>(`${addressOf(name)}/trigger`, { method: "POST", json });
					if (flags.output === "json") printJson(run);
					else print(`${run.url}\n${run.id}`);
				}),
		)
		.addCommand(
			command("compare", "Compare its refs with those last heard of, and run what is new.", "windlass projects compare web")
				.argument("<name>", "which")
				.action(async (name: string, flags: Flags) => {
					const run = await new Connection(flags).json<SubmittedRun>(`${addressOf(name)}/compare`, { method: "POST" });
					if (flags.output === "json") printJson(run);
					else print(`${run.url}\n${run.id}`);
				}),
		)
		.addCommand(
			command("undelivered", "Say what its forge, and others, were to be told and were not (yet).", "windlass projects undelivered web")
				.argument("<name>", "which")
				.action(async (name: string, flags: Flags) => {
					const { items } = await new Connection(flags).json<Page<Undelivered>>(`${addressOf(name)}/undelivered`);
					if (flags.output === "json") return printJson(items);
					if (items.length === 0) return print("Everybody was told of everything.");
					const rows = items.map((one) => [
						one.given_up ? "given up" : `tried ${one.tries} times`,
						one.kind.replace("_", " "),
						one.what,
						one.error ?? "–",
					]);
					print(table([["", "what", "of", "why not"], ...rows]));
				}),
		)
		.addCommand(
			command("rm", "Remove a project with its secrets; its runs stay.", "windlass projects rm web --yes")
				.argument("<name>", "which")
				.option(...YES)
				.action(async (name: string, flags: Flags & ConfirmedFlags) => {
					const connection = new Connection(flags);
					await confirm(`Remove the project ${name}, with its secrets and schedules`, flags);
					await connection.send(addressOf(name), { method: "DELETE" });
					if (flags.output === "json") printJson({ removed: name });
					else print(`The project ${name} is removed, and its secrets with it.`);
				}),
		);
}
