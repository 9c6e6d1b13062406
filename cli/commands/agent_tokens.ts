import { Command, Option } from "commander";
import { describeRestriction, type RegistrationToken, type RegistrationTokenSummary, RUN_TRUST } from "../../schema/wire/agents.ts";
import type { Page } from "../../schema/wire/resources.ts";
import { Connection } from "../connection.ts";
import { ago, print, printJson, table } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command, type Flags, nameList } from "./command.ts";

/** `windlass agent-tokens`: registration tokens. An agent joins with one. */

interface CreateFlags extends Flags {
	uses: string;
	expiresIn: string;
	labels?: string;
	projects?: string;
	runs: string;
}

const TOKENS = "/api/v1/agent-tokens";

function usesOf(text: string): number {
	if (/^\d{1,5}$/.test(text)) return Number(text);
	throw new UsageError(`--uses must be a whole number, not "${text}"`);
}

function listText(tokens: readonly RegistrationTokenSummary[]): string {
	const rows = tokens.map((one) => [
		one.id,
		`${one.uses_left} of ${one.uses}`,
		one.labels.join(", ") || "as declared",
		describeRestriction(one) ?? "every job",
		`${one.created_by}, ${ago(one.created_at)}`,
		one.expires_at,
	]);
	return table([["id", "uses left", "labels", "takes", "created by", "expires"], ...rows]);
}

export function agentTokensCommand(): Command {
	return new Command("agent-tokens")
		.description("Manage registration tokens. An agent joins with one.")
		.addHelpText("after", "\nExample:\n  windlass agent-tokens create --labels prod --projects web --runs trusted")
		.addCommand(
			command(
				"create",
				"Make a registration token. It is shown once.",
				"windlass agent-tokens create --labels prod --projects web --runs trusted",
			)
				.option("--uses <n>", "how many agents may join with the token", "1")
				.option("--expires-in <duration>", "how long the token is valid, at most 90d", "1h")
				.option("--labels <list>", "the only labels of its agents, separated by commas (default: the labels that an agent declares)")
				.option("--projects <names>", "its agents take only jobs of these projects, separated by commas")
				.addOption(
					new Option("--runs <which>", "its agents take only trusted runs, only untrusted runs (forks), or any")
						.choices(RUN_TRUST)
						.default("any"),
				)
				.action(async (flags: CreateFlags) => {
					const { uses, expiresIn, labels, projects, runs, output } = flags;
					const json = {
						uses: usesOf(uses),
						expires_in: expiresIn,
						...(labels === undefined ? {} : { labels: nameList("--labels", labels) }),
						...(projects === undefined ? {} : { projects: nameList("--projects", projects) }),
						runs,
					};
					const made = await new Connection(flags).json<RegistrationToken>(TOKENS, { method: "POST", json });
					if (output === "json") printJson(made);
					else print(made.token);
				}),
		)
		.addCommand(
			command(
				"list",
				"List the valid registration tokens by their ids. The tokens themselves are never shown.",
				"windlass agent-tokens list",
			)
				.alias("ls")
				.action(async (flags: Flags) => {
					const { items } = await new Connection(flags).json<Page<RegistrationTokenSummary>>(TOKENS);
					if (flags.output === "json") printJson(items);
					else print(items.length > 0 ? listText(items) : "There is no valid registration token. Make one: windlass agent-tokens create");
				}),
			{ isDefault: true },
		)
		.addCommand(
			command("revoke", "Revoke a registration token. Agents that joined with it stay.", "windlass agent-tokens revoke reg_01JB…")
				.argument("<id>", "the id of the token (reg_…)")
				.action(async (id: string, flags: Flags) => {
					await new Connection(flags).send(`${TOKENS}/${encodeURIComponent(id)}`, { method: "DELETE" });
					if (flags.output === "json") printJson({ revoked: id });
					else print(`Registration token ${id} is revoked.`);
				}),
		);
}
