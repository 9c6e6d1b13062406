import { Command } from "commander";
import { Agent } from "../agent/agent.ts";
import { log } from "../agent/logger.ts";
import { readAgentOptions } from "../agent/options.ts";
import manifest from "../package.json" with { type: "json" };
import { isStillReadable, ownSecret } from "./own_secrets.ts";
import { keepNewSpaceSmall, releaseMemory } from "./release_memory.ts";

/** Later than the detection of the machine's tools. */
const RELEASE_MEMORY_MS = 5_000;

/** `windlass agent`: an agent on this host. */
export function agentCommand(): Command {
	return new Command("agent")
		.description("Run an agent: it runs the jobs of a coordinator on this host.")
		.option("--server <url>", "the coordinator's address")
		.option("--token-file <file>", "a file with a registration token; only the first start needs it")
		.option("--token <token>", "the registration token, or - to read it from standard input")
		.option("--name <name>", "the name of this agent (default: the name of the host)")
		.option("--slots <n>", "how many jobs the agent runs at once (default: 1)")
		.option("--labels <list>", "labels that jobs can require, separated by commas")
		.option("--work-dir <folder>", "the folder of its state and workspaces (default: ~/.windlass-agent)")
		.option("--config <file>", "a YAML file with these settings")
		.option("--ca-file <file>", "certificates (PEM) to trust in addition to the system's")
		.option("--pass-env <names>", "variables of this environment that jobs inherit, separated by commas")
		.option("--health-port <n>", "answer /healthz, /readyz and /metrics on this port")
		.option("--health-host <address>", "the address of that port (default: 127.0.0.1)")
		.option("--spool-limit <size>", "how much disk space unsent logs may use (default: 1GiB)")
		.option("--cache-limit <size>", "how much disk space the caches on this machine may use; 0 keeps none (default: 10GiB)")
		.option("--warm <n>", "fetch this many of the caches that its jobs use most, before the first job (default: 0)")
		.option("--warm-time <duration>", "how long that may take (default: 1m)")
		.option("--probes <list>", "more tools to report, as name=command that prints the version, separated by semicolons")
		.option("--allow-devices <list>", "devices (/dev/…) that containers may use, separated by commas")
		.option("--allow-new-privileges", "let programs in containers gain privileges, as sudo does")
		.option("--max-processes <n>", "how many processes and threads a container may have (default: 4096)")
		.option("--registry-credentials <file>", "a YAML file of registry credentials that jobs name")
		.option("--once", "end after one job")
		.option("--idle-exit <duration>", "end after this idle time, such as 5m")
		.addHelpText(
			"after",
			"\nExample:\n  windlass agent --server https://ci.example.com --token-file /run/secrets/windlass \\\n    --name builder-1 --slots 4 --labels gpu",
		)
		.action(async ({ config = process.env.WINDLASS_CONFIG, ...flags }: Record<string, string | true | undefined>) => {
			const raw = Object.fromEntries(
				Object.entries(flags).map(([name, value]) => [name.replace(/[A-Z]/g, (char) => `-${char.toLowerCase()}`), String(value)]),
			);
			const token = ownSecret("WINDLASS_TOKEN");
			const environment = { ...process.env, ...(token !== undefined && { WINDLASS_TOKEN: token }) };
			const options = readAgentOptions(raw, environment, typeof config === "string" ? config : null);
			if (options.token !== null && isStillReadable(options.token))
				log(
					"warn",
					"jobs can read the registration token in the variables or arguments of this process; pass it with --token-file or --token -",
				);
			keepNewSpaceSmall();
			setTimeout(releaseMemory, RELEASE_MEMORY_MS).unref();
			const agent = await Agent.open(options, manifest.version);
			for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => agent.drain());
			process.on("SIGUSR2", () => void agent.detectAgain());
			await agent.run();
		});
}
