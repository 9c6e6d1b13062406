import manifest from "../package.json" with { type: "json" };
import { agentCommand } from "./agent_command.ts";
import { runProgram } from "./run_program.ts";
import { serviceCommand } from "./service/service_command.ts";

/** The program `windlass-agent`: `windlass agent` in a package of its own. */

runProgram(async () => agentCommand().name("windlass-agent").version(manifest.version).addCommand(serviceCommand(true)));
