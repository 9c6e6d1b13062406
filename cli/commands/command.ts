import { Command, Option } from "commander";
import { type ConnectionFlags, withConnection } from "../connection.ts";
import { UsageError } from "../usage_error.ts";

/** The options that every command of a coordinator takes. */
export interface Flags extends ConnectionFlags {
	output: string;
}

/**
 * A command that sends requests to a coordinator, with an example in its help.
 * @param exitCodes a section of the help, before the example
 */
export function command(name: string, description: string, example: string, exitCodes = ""): Command {
	const made = withConnection(new Command(name).description(description).addOption(outputOption()));
	return made.addHelpText("after", `${exitCodes}\n${exitCodes ? "\n" : ""}Example:\n  ${example}`);
}

/** The format of a command's output. */
export function outputOption(description = "text or json"): Option {
	return new Option("-o, --output <format>", description).choices(["text", "json"]).default("text");
}

/** An option that may be repeated: its values come as a list, or undefined without any. */
export function repeatable(flags: string, description: string): Option {
	return new Option(flags, `${description}; may be repeated`).argParser((value, before: string[] = []) => [...before, value]);
}

export const PARAMETER = ["-p, --param <name=value>", "a parameter"] as const;
export const VARIABLE = ["-e, --env <name=value>", "a variable for every job"] as const;

/** The values of a repeatable option of the form `name=value`. @throws UsageError */
export function pairs(flag: string, given: readonly string[] = []): Record<string, string> {
	return Object.fromEntries(
		given.map((text) => {
			const at = text.indexOf("=");
			if (at < 1) throw new UsageError(`${flag}: "${text}" is not of the form name=value`);
			return [text.slice(0, at), text.slice(at + 1)];
		}),
	);
}

/**
 * The names of a comma-separated list, at least one: an empty list would mean all.
 * @throws UsageError
 */
export function nameList(flag: string, text: string): string[] {
	const names = text
		.split(",")
		.map((name) => name.trim())
		.filter(Boolean);
	if (names.length === 0) throw new UsageError(`${flag} needs at least one name`);
	return names;
}
