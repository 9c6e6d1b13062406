import type { Command, Option } from "commander";
import { variableOf } from "../../agent/options.ts";
import { optionText, program } from "./commands.ts";

/** The settings of `serve` and `agent`, from commander. */

async function commandNamed(name: string): Promise<Command> {
	const found = (await program()).commands.find((command) => command.name() === name);
	if (!found) throw new Error(`The program has no command ${name}.`);
	return found;
}

function listOf(options: readonly Option[]): string {
	return options.map(optionText).join("\n");
}

/** The settings of `windlass serve`. */
export async function coordinatorSettings(): Promise<string> {
	return listOf((await commandNamed("serve")).options);
}

/** The settings of `windlass agent`. The agent itself reads their variables, so that a file can set what a variable does not. */
export async function agentSettings(): Promise<string> {
	return listOf((await commandNamed("agent")).options.map((option) => option.env(variableOf(option.name()))));
}
