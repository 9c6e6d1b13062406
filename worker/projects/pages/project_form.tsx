import { CHECKOUT_FILTERS, SUBMODULES } from "../../../schema/wire/checkout.ts";
import type { FieldError } from "../../../schema/wire/errors.ts";
import type { Project } from "../../../schema/wire/projects.ts";
import { mayReaderPost } from "../../ui/parts.ts";
import { PostForm } from "../../ui/post_form.tsx";

/** The fields of the form of a project. */
export const PROJECT_FIELDS = [
	{
		key: "repository",
		group: "Repository",
		label: "Repository",
		hint: "the source of its runs, unless a pipeline sets another one",
		example: "https://git.lan/team/web.git",
	},
	{ key: "default_branch", group: "Repository", label: "Default branch", hint: "the branch whose state counts", example: "main" },
	{
		key: "credentials",
		group: "Repository",
		label: "Credentials",
		hint: "the name of a secret with user:password or a token, for a repository over HTTP",
		example: "",
	},
	{
		key: "config",
		group: "Repository",
		label: "Config",
		hint: "the pipeline file, or the folder of pipeline files",
		example: ".windlass.yml, .windlass.yaml or .windlass/",
	},
	{
		key: "hook_secret",
		group: "Forge",
		label: "Hook secret",
		hint: "the name of the secret that signs webhooks; without it the hook is closed",
		example: "",
	},
	{
		key: "forge",
		group: "Forge",
		label: "Forge",
		hint: "github, gitea (also for Forgejo) or gitlab; receives commit statuses",
		example: "",
	},
	{
		key: "forge_api",
		group: "Forge",
		label: "API of the forge",
		hint: "its address, if it is not on the host of the repository",
		example: "https://git.lan/api/v1",
	},
	{ key: "forge_token", group: "Forge", label: "Token for the forge", hint: "the name of the secret with the token", example: "" },
	{
		key: "forge_app",
		group: "Forge",
		label: "GitHub App",
		hint: "the ID of an App; the secret above then holds its private key",
		example: "123456",
	},
	{
		key: "status_context",
		group: "Forge",
		label: "Status context",
		hint: "the prefix of the names of commit statuses",
		example: "windlass",
	},
	{ key: "checkout_depth", group: "Checkout", label: "History", hint: "how many commits a job fetches, or full; default 1", example: "1" },
	{
		key: "checkout_filter",
		group: "Checkout",
		label: "Partial history",
		hint: "blob:none leaves the contents of older files at the server until a step asks; default none",
		example: "",
		choices: ["", ...CHECKOUT_FILTERS],
	},
	{
		key: "checkout_tags",
		group: "Checkout",
		label: "All tags",
		hint: "whether jobs fetch all tags; default no",
		example: "",
		choices: ["", "yes", "no"],
	},
	{
		key: "checkout_submodules",
		group: "Checkout",
		label: "Submodules",
		hint: "which submodules jobs fetch; default recursive",
		example: "",
		choices: ["", ...SUBMODULES],
	},
	{
		key: "checkout_lfs",
		group: "Checkout",
		label: "Large files",
		hint: "whether jobs fetch files of Git LFS; default yes",
		example: "",
		choices: ["", "yes", "no"],
	},
	{
		key: "warm_mirrors",
		group: "Checkout",
		label: "Warm mirrors",
		hint: "how often agents that ran its jobs fetch the default branch ahead; default never",
		example: "15m",
	},
	{
		key: "require_pipeline",
		group: "Repository",
		label: "Require a pipeline",
		hint: "a commit without a pipeline file gets a failed status",
		example: "",
		isFlag: true,
	},
	{
		key: "poll",
		group: "Repository",
		label: "Poll",
		hint: "how often an agent checks for new commits, for servers without webhooks",
		example: "5m",
	},
	{
		key: "keep_runs",
		group: "Retention",
		label: "Keep runs",
		hint: "how long runs are kept; default: the setting of the coordinator",
		example: "90d",
	},
	{
		key: "keep_logs",
		group: "Retention",
		label: "Keep logs",
		hint: "how long logs are kept; default: as long as their runs",
		example: "30d",
	},
	{
		key: "keep_artifacts",
		group: "Retention",
		label: "Keep artifacts",
		hint: "how long artifacts are kept, unless a job sets a time",
		example: "14d",
	},
	{
		key: "cache_quota",
		group: "Retention",
		label: "Room for caches",
		hint: "how much its caches may take; the least recently used ones go first",
		example: "10GiB",
	},
	{
		key: "includable_by",
		group: "Access",
		label: "Includable by",
		hint: "projects whose pipelines may include files of this repository, separated by commas",
		example: "web, api",
	},
	{
		key: "trusted_authors",
		group: "Access",
		label: "Trusted authors",
		hint: "accounts of the forge whose pull requests from forks run without an approval, separated by commas",
		example: "ada, renovate[bot]",
	},
	{
		key: "fork_approvers",
		group: "Access",
		label: "Approvers of forks",
		hint: "people who may approve runs of forks, separated by commas; empty: everybody whose role allows it",
		example: "ada, lena",
	},
	{
		key: "public",
		group: "Access",
		label: "Public",
		hint: "everybody may see its runs, logs and artifacts without signing in",
		example: "",
		isFlag: true,
	},
	{
		key: "public_badges",
		group: "Access",
		label: "Public badges",
		hint: "everybody may see the badges of the project",
		example: "",
		isFlag: true,
	},
] as const satisfies readonly {
	key: keyof Project;
	group: string;
	label: string;
	hint: string;
	example: string;
	choices?: readonly string[];
	isFlag?: boolean;
}[];

/** The values of the form of a project. */
export type ProjectFields = Record<"name" | (typeof PROJECT_FIELDS)[number]["key"], string>;

export interface FormProps {
	fields: ProjectFields;
	errors: readonly FieldError[];
	message: string | null;
}

type Field = (typeof PROJECT_FIELDS)[number];

/** The settings of a project in groups, each field with its help. */
export function ProjectForm({
	action,
	button,
	isNew,
	fields,
	errors,
	message,
}: FormProps & { action: string; button: string; isNew: boolean }) {
	const groups = [...Map.groupBy(PROJECT_FIELDS, ({ group }) => group)];
	const isReadOnly = !mayReaderPost(action);
	const settings = groups.map(([group, members]) => (
		<fieldset key={group} disabled={isReadOnly}>
			<legend>{group}</legend>
			{members.map((field) => (
				<SettingField key={field.key} field={field} value={fields[field.key]} />
			))}
		</fieldset>
	));
	if (isReadOnly) return <div class="form">{settings}</div>;
	return (
		<PostForm action={action} class="form">
			{message && <p class="reason bad">{message}</p>}
			{errors.length > 0 && (
				<ul class="errors">
					{errors.map((one) => (
						<li key={one.path}>
							<code>{one.path} </code>
							{one.message}
						</li>
					))}
				</ul>
			)}
			{isNew && (
				<label>
					Name
					<input name="name" value={fields.name} required />
				</label>
			)}
			{settings}
			<button type="submit" class="main">
				{button}
			</button>
		</PostForm>
	);
}

function SettingField({ field, value }: { field: Field; value: string }) {
	if ("isFlag" in field) {
		return (
			<label class="check">
				<input type="checkbox" name={field.key} value="yes" checked={value === "yes"} />
				<span>
					{field.label} <span class="soft">– {field.hint}</span>
				</span>
			</label>
		);
	}
	return (
		<label for={field.key}>
			{field.label} <span class="soft">– {field.hint}</span>
			{"choices" in field ? (
				<select id={field.key} name={field.key}>
					{field.choices.map((choice) => (
						<option key={choice} value={choice} selected={choice === value}>
							{choice === "" ? "default" : choice}
						</option>
					))}
				</select>
			) : (
				<input id={field.key} name={field.key} value={value} placeholder={field.example} />
			)}
		</label>
	);
}
