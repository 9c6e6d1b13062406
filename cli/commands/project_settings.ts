import type { Command } from "commander";
import type { Project } from "../../schema/wire/projects.ts";

/** The settings of a project as options of a command, and as rows of a table. */

/** Settings with a text; `none` removes one. */
const TEXTS = [
	{ key: "repository", option: "--repository <address>", description: "the repository of its runs" },
	{ key: "default_branch", option: "--default-branch <name>", description: "its default branch" },
	{
		key: "credentials",
		option: "--credentials <secret>",
		description: "the secret that reads the repository over HTTP (user:password, or a token)",
	},
	{
		key: "config",
		option: "--config <path>",
		description: "the file or folder with its pipelines (.windlass.yml, .windlass.yaml or .windlass/)",
	},
	{ key: "hook_secret", option: "--hook-secret <secret>", description: "the secret that signs the webhook deliveries of its forge" },
	{ key: "forge", option: "--forge <kind>", description: "the forge that gets commit statuses: github, gitea or gitlab" },
	{ key: "forge_api", option: "--forge-api <url>", description: "the address of the forge's API" },
	{ key: "forge_token", option: "--forge-token <secret>", description: "the secret with a token for the forge's API" },
	{ key: "forge_app", option: "--forge-app <id>", description: "the GitHub App whose private key is the secret of --forge-token" },
	{ key: "status_context", option: "--status-context <text>", description: "the beginning of the names of commit statuses" },
	{ key: "poll", option: "--poll <duration>", description: "how often an agent looks for new commits, if the forge sends no webhooks" },
	{ key: "keep_runs", option: "--keep-runs <duration>", description: "how long its runs are kept" },
	{ key: "keep_logs", option: "--keep-logs <duration>", description: "how long its logs are kept" },
	{ key: "keep_artifacts", option: "--keep-artifacts <duration>", description: "how long its artifacts are kept" },
	{ key: "warm_mirrors", option: "--warm-mirrors <duration>", description: "how often agents fetch its default branch ahead of jobs" },
	{ key: "cache_quota", option: "--cache-quota <size>", description: "how much room its caches may take" },
] as const satisfies readonly { key: keyof Project; option: string; description: string }[];

/**
 * How much of the repository jobs get; `default` removes a setting, because `none` is a value here.
 */
const CHECKOUT = [
	{
		key: "checkout_depth",
		option: "--checkout-depth <commits>",
		description: "how many commits of history jobs get, or full",
		read: (text: string) => (text === "full" ? text : Number(text)),
	},
	{ key: "checkout_filter", option: "--checkout-filter <filter>", description: "blob:none or none", read: String },
	{ key: "checkout_tags", option: "--checkout-tags <yes|no>", description: "whether jobs get all tags", read: yesOrNo },
	{ key: "checkout_submodules", option: "--checkout-submodules <which>", description: "none, true or recursive", read: String },
	{ key: "checkout_lfs", option: "--checkout-lfs <yes|no>", description: "whether jobs get the files of Git LFS", read: yesOrNo },
] as const satisfies readonly { key: keyof Project; option: string; description: string; read: (text: string) => unknown }[];

/** Settings with a list; `none` removes one. */
const LISTS = [
	{
		key: "includable_by",
		option: "--includable-by <projects>",
		description: "the projects whose pipelines may include its files, separated by commas",
	},
	{
		key: "trusted_authors",
		option: "--trusted-authors <accounts>",
		description: "accounts of its forge whose pull requests from forks need no approval, separated by commas",
	},
	{
		key: "fork_approvers",
		option: "--fork-approvers <people>",
		description: "the people who may approve runs of forks, separated by commas",
	},
] as const satisfies readonly { key: keyof Project; option: string; description: string }[];

const SWITCHES = ["public", "public_badges", "require_pipeline"] as const satisfies readonly (keyof Project)[];

/** Adds the options of all settings to a command. */
export function withSettings(command: Command): Command {
	for (const { option, description } of [...TEXTS, ...LISTS]) command.option(option, `${description}; none removes it`);
	for (const { option, description } of CHECKOUT) command.option(option, `${description}; default removes it`);
	return command
		.option("--public", "everybody may see its runs, logs and artifacts without signing in")
		.option("--no-public", "only signed-in people may see its runs")
		.option("--public-badges", "everybody may see its badges")
		.option("--no-public-badges", "only signed-in people may see its badges")
		.option("--require-pipeline", "a commit without a pipeline file gets a failed status")
		.option("--no-require-pipeline", "a commit without a pipeline file gets no status");
}

/** The settings that this call of the command changes. */
export function changedSettings(command: Command): object {
	const given = command.opts() as Record<string, string>;
	const texts = TEXTS.flatMap(({ key }) => {
		const value = given[camelCase(key)];
		return value === undefined ? [] : [[key, value === "none" ? null : value]];
	});
	const checkout = CHECKOUT.flatMap(({ key, read }) => {
		const value = given[camelCase(key)];
		return value === undefined ? [] : [[key, value === "default" ? null : read(value)]];
	});
	const lists = LISTS.flatMap(({ key }) => {
		const value = given[camelCase(key)];
		return value === undefined ? [] : [[key, value === "none" ? null : value.split(",").map((one) => one.trim())]];
	});
	const switches = SWITCHES.filter((key) => command.getOptionValueSource(camelCase(key)) === "cli").map((key) => [
		key,
		given[camelCase(key)],
	]);
	return Object.fromEntries([...texts, ...checkout, ...lists, ...switches]);
}

/** The settings of a project as rows of a table. */
export function settingRows(project: Project): string[][] {
	return [
		...TEXTS.map(({ key }) => [spaced(key), project[key] ?? "–"]),
		...CHECKOUT.map(({ key }) => [spaced(key), valueText(project[key])]),
		...LISTS.map(({ key }) => [spaced(key), project[key]?.join(", ") ?? "–"]),
		["require pipeline", valueText(project.require_pipeline)],
		["runs", project.public ? "for everybody" : "for signed-in people"],
		["badges", project.public_badges ? "for everybody" : "for signed-in people"],
	];
}

function yesOrNo(text: string): boolean | string {
	return text === "yes" ? true : text === "no" ? false : text;
}

function valueText(value: string | number | boolean | null): string {
	return typeof value === "boolean" ? (value ? "yes" : "no") : String(value ?? "–");
}

function camelCase(key: string): string {
	return key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function spaced(key: string): string {
	return key.replaceAll("_", " ");
}
