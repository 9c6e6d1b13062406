import { DEFAULT_SERVER } from "../connection.ts";
import type { Coordinator } from "../coordinator/coordinator.ts";
import { paint } from "../terminal.ts";

/**
 * Prints what a person needs once the coordinator serves: addresses, sign-in link, token and a
 * first command.
 */
export function printWelcome({ addresses, signInUrl, newAdminToken }: Coordinator, host: string, publicUrl: string | null): void {
	const { local, links, others } = addresses;
	const { pathname, search } = new URL(signInUrl);
	process.stdout.write(`\n${paint("bold", "Windlass is ready.")}\n\n`);
	printLine("status page", links);
	for (const other of others) printLine("", other);
	printLine("sign in", signInUrl);
	for (const other of others) printLine("", other + pathname + search);
	printLine("", "The link works once, within 10 minutes.");
	if (newAdminToken !== null) {
		printLine("admin token", newAdminToken);
		printLine("", "It is shown once. windlass token reset-admin makes a new one.");
	}
	if (publicUrl === null) {
		printLine("links", `Commit statuses link to ${links}.`);
		printLine("", "Set --public-url if others need another address.");
	}
	const first = [
		...(local === DEFAULT_SERVER ? [] : [`export WINDLASS_SERVER=${local}`]),
		...(newAdminToken === null ? [] : [`export WINDLASS_API_TOKEN=${newAdminToken}`]),
		`${programName()} run --no-source 'echo hello from $(hostname)'`,
	];
	process.stdout.write(`\n  Try it in another terminal:\n\n${first.map((line) => `  ${line}\n`).join("")}\n`);
	if (!["127.0.0.1", "::1", "localhost"].includes(host) && !links.startsWith("https:")) {
		process.stderr.write(
			"windlass: The coordinator listens on the network without TLS, so tokens are sent unencrypted. Put a TLS proxy in front of it and set --public-url.\n",
		);
	}
}

function printLine(label: string, text: string): void {
	process.stdout.write(`  ${label.padEnd(12)} ${text}\n`);
}

/** How a person calls this program: if npm started it in a working copy, it is not on the PATH. */
function programName(): string {
	return ["start", "demo"].includes(process.env.npm_lifecycle_event ?? "") ? "npm run --silent windlass --" : "windlass";
}
