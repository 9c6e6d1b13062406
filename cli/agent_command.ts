import { Command } from "commander";
import { Agent } from "../agent/agent.ts";
import { log } from "../agent/logger.ts";
import { readAgentOptions } from "../agent/options.ts";
import manifest from "../package.json" with { type: "json" };
import { isStillReadable, ownSecret } from "./own_secrets.ts";

/** `windlass agent`: an agent on this host. */
export function agentCommand(): Command {
	return new Command("agent")
		.description("Run jobs for a coordinator.")
		.option("--server <url>", "the coordinator's address")
		.option("--token-file <file>", "a file with a registration token, for the first start")
		.option("--token <token>", "the token itself, or - to read it from standard input")
		.option("--name <name>", "this agent's name (default: the host's)")
		.option("--slots <n>", "how many jobs run at once (default: 1)")
		.option("--labels <list>", "labels that jobs can ask for, with commas between")
		.option("--work-dir <folder>", "state and workspaces (default: ~/.windlass-agent)")
		.option("--config <file>", "a YAML file with these settings")
		.option("--ca-file <file>", "certificates (PEM) to trust beside the system's")
		.option("--pass-env <names>", "variables of this environment that jobs inherit, with commas between")
		.option("--health-port <n>", "answer /healthz and /readyz on this port of this machine")
		.option("--spool-limit <size>", "how much disk unsent logs may take (default: 1GiB)")
		.option("--probes <list>", "further tools: name=command that says the version, with semicolons between")
		.option("--allow-devices <list>", "devices (/dev/…) that jobs in containers may have, with commas between")
		.option("--allow-new-privileges", "let programs in containers gain rights that who starts them does not have, as sudo does")
		.option("--max-processes <n>", "how many processes and threads a container may have (default: 4096)")
		.option("--registry-credentials <file>", "a YAML file of credentials for registries that jobs may use by name")
		.option("--once", "end after one job")
		.option("--idle-exit <duration>", "end after having been idle for this long, such as 5m")
		.addHelpText(
			"after",
			"\nExample:\n  windlass agent --server https://ci.example.com --name builder-1 --slots 4 --labels gpu   --token-file /run/secrets/windlass",
		)
		.action(async ({ config = process.env.WINDLASS_CONFIG, ...flags }: Record<string, string | true | undefined>) => {
			const raw = Object.fromEntries(
				Object.entries(flags).map(([name, value]) => [name.replace(/[A-Z]/g, (char) => `-${char.toLowerCase()}`), String(value)]),
			);
			const token = ownSecret("WINDLASS_TOKEN");
			const environment = { ...process.env, ...(token !== undefined && { WINDLASS_TOKEN: token }) };
			const options = readAgentOptions(raw, environment, typeof config === "string" ? config : null);
			if (options.token !== null && isStillReadable(options.token))
				log("warn", "jobs can read the registration token in what this process was started with; give it with --token-file or --token -");
			const agent = await Agent.open(options, manifest.version);
			for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => agent.drain());
			await agent.run();
		});
}
