import { readFile } from "node:fs/promises";
import { Command, Option } from "commander";
import {
	type IdentityProvider,
	PROVIDER_KINDS,
	parseSignUpRule,
	type SignUpRule,
	signUpRuleText,
} from "../../schema/wire/identity_providers.ts";
import type { Page } from "../../schema/wire/resources.ts";
import { Connection } from "../connection.ts";
import { print, printJson, table } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command, type Flags } from "./command.ts";

/** `windlass identity-providers`: the servers with whose accounts people sign in. */

const PROVIDERS = "/api/v1/identity-providers";

interface SetFlags extends Flags {
	kind: string;
	url?: string;
	label?: string;
	clientId: string;
	clientSecretFile?: string;
	scope?: string[];
	groupsClaim?: string;
	signUp?: SignUpRule[];
}

export function identityProvidersCommand(): Command {
	const providers = new Command("identity-providers")
		.description("Manage the identity providers with which people sign in.")
		.addHelpText(
			"after",
			"\nExample:\n  windlass identity-providers set company --kind oidc --url https://id.example.org \\\n    --client-id windlass --client-secret-file secret.txt --sign-up group:ci-admins=admin",
		);
	providers.addCommand(listCommand(), { isDefault: true });
	for (const one of [setCommand(), removeCommand()]) providers.addCommand(one);
	return providers;
}

function listCommand(): Command {
	return command("ls", "List the identity providers with their rules.", "windlass identity-providers ls").action(async (flags: Flags) => {
		const { items } = await new Connection(flags).json<Page<IdentityProvider>>(PROVIDERS);
		if (flags.output === "json") return printJson(items);
		if (items.length === 0) return print("There is no identity provider. Add one: windlass identity-providers set --help");
		const rows = items.map((one) => [one.name, one.kind, one.url, one.sign_up.map(signUpRuleText).join(" ") || "invited people only"]);
		print(table([["name", "kind", "address", "who may sign up"], ...rows]));
	});
}

function rule(text: string, before: SignUpRule[] = []): SignUpRule[] {
	const read = parseSignUpRule(text);
	if (read === undefined)
		throw new UsageError(`${text} is no rule; write domain:example.org=viewer, organization:acme=developer or group:ci=admin`);
	return [...before, read];
}

function setCommand(): Command {
	return command(
		"set",
		"Add or change an identity provider, once it has answered. What is left out gets its default, but for the secret, which stays.",
		"windlass identity-providers set github --kind github --client-id Iv1.a1b2 --client-secret-file secret.txt --sign-up organization:acme=developer",
	)
		.argument("<name>", "part of its addresses, such as company")
		.addOption(new Option("--kind <kind>", "what it speaks").choices(PROVIDER_KINDS).makeOptionMandatory())
		.option("--url <address>", "the issuer of oidc, else the address of the forge (default: github.com or gitlab.com)")
		.option("--label <text>", "what the button says")
		.requiredOption("--client-id <id>", "the id of this coordinator there")
		.option("--client-secret-file <file>", "the file with the client secret")
		.option("--scope <scope...>", "what oidc or gitlab is asked for (default: openid profile email)")
		.option("--groups-claim <name>", "the claim that has the groups, for oidc and gitlab (default: groups)")
		.option("--sign-up <rule>", "who may sign up, and as what, such as group:ci=developer; repeat it for each rule", rule)
		.action(async (name: string, flags: SetFlags) => {
			const { kind, url, label, clientId, clientSecretFile, scope: scopes, groupsClaim: groups_claim, signUp: sign_up } = flags;
			const client_secret = clientSecretFile && (await secretIn(clientSecretFile));
			const json = { kind, url, label, client_id: clientId, client_secret, scopes, groups_claim, sign_up };
			const connection = new Connection(flags);
			const provider = await connection.json<IdentityProvider>(`${PROVIDERS}/${encodeURIComponent(name)}`, { method: "PUT", json });
			if (flags.output === "json") return printJson(provider);
			print(`${provider.label} is set. Its redirect URI, which it must know to the byte: ${provider.redirect_uri}`);
			if (provider.sign_up.length === 0) print("Without a rule only invited people sign in with it: see --sign-up.");
		});
}

async function secretIn(file: string): Promise<string> {
	try {
		return (await readFile(file, "utf8")).replace(/\r?\n$/, "");
	} catch (error) {
		throw new UsageError(`cannot read ${file}: ${(error as Error).message}`);
	}
}

function removeCommand(): Command {
	return command(
		"rm",
		"Remove an identity provider. Nobody signs in with it any more, and the sessions of its people end; their personal tokens stay. What it knew of removed people is forgotten, too.",
		"windlass identity-providers rm company",
	)
		.argument("<name>", "its name")
		.action(async (name: string, flags: Flags) => {
			await new Connection(flags).send(`${PROVIDERS}/${encodeURIComponent(name)}`, { method: "DELETE" });
			if (flags.output === "json") printJson({ removed: name });
			else print(`${name} is removed.`);
		});
}
