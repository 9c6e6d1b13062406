import { Command, Option } from "commander";
import { describeRestriction, type RegistrationToken, type RegistrationTokenSummary, RUN_TRUST } from "../../schema/wire/agents.ts";
import type { Page } from "../../schema/wire/resources.ts";
import { Connection, type ConnectionFlags } from "../connection.ts";
import { ago, print, printJson, table } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command, listOf } from "./command.ts";

/** `windlass agent-tokens`: registration tokens, with which agents join. */

interface Flags extends ConnectionFlags {
	output: string;
}

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
	throw new UsageError(`--uses: ${text} is not a number`);
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
	return table([["token", "uses left", "labels", "takes", "created", "expires"], ...rows]);
}

export function agentTokensCommand(): Command {
	return new Command("agent-tokens")
		.description("Registration tokens, with which agents join.")
		.addHelpText("after", "\nExample:\n  windlass agent-tokens create --labels prod --projects web --runs trusted")
		.addCommand(
			command("create", "Make a token; it is shown once.", "windlass agent-tokens create --labels prod --projects web --runs trusted")
				.option("--uses <n>", "how many agents may join with it", "1")
				.option("--expires-in <duration>", "how long it is valid, at most 90d", "1h")
				.option("--labels <list>", "labels of its agents, with commas between: they may declare no others (without it: what they declare)")
				.option("--projects <names>", "only jobs of these projects, with commas between")
				.addOption(new Option("--runs <which>", "trusted: no run from a fork; untrusted: only those").choices(RUN_TRUST).default("any"))
				.action(async (flags: CreateFlags) => {
					const { uses, expiresIn, labels, projects, runs, output } = flags;
					const json = {
						uses: usesOf(uses),
						expires_in: expiresIn,
						...(labels === undefined ? {} : { labels: listOf("--labels", labels) }),
						...(projects === undefined ? {} : { projects: listOf("--projects", projects) }),
						runs,
					};
					const made = await new Connection(flags).json<RegistrationToken>(TOKENS, { method: "POST", json });
					if (output === "json") printJson(made);
					else print(made.token);
				}),
		)
		.addCommand(
			command("list", "List the tokens that have not expired; never the tokens themselves.", "windlass agent-tokens list")
				.alias("ls")
				.action(async (flags: Flags) => {
					const { items } = await new Connection(flags).json<Page<RegistrationTokenSummary>>(TOKENS);
					if (flags.output === "json") printJson(items);
					else print(items.length > 0 ? listText(items) : "There is none: windlass agent-tokens create");
				}),
			{ isDefault: true },
		)
		.addCommand(
			command("revoke", "Make a token invalid; agents that joined with it stay.", "windlass agent-tokens revoke reg_01JB…")
				.argument("<id>", "which")
				.action(async (id: string, flags: Flags) => {
					await new Connection(flags).send(`${TOKENS}/${encodeURIComponent(id)}`, { method: "DELETE" });
					if (flags.output === "json") printJson({ revoked: id });
					else print("The token is revoked.");
				}),
		);
}
