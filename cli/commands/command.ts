import { Command, Option } from "commander";
import { withConnection } from "../connection.ts";
import { UsageError } from "../usage_error.ts";

/** A command that asks a coordinator, with an example of its use. */
export function command(name: string, description: string, example: string): Command {
	return withConnection(new Command(name).description(description).addOption(outputOption())).addHelpText(
		"after",
		`\nExample:\n  ${example}`,
	);
}

/** In which form a command tells what it has found. */
export function outputOption(description = "text or json"): Option {
	return new Option("-o, --output <format>", description).choices(["text", "json"]).default("text");
}

/** For an option that may be given several times. */
export function several(value: string, before: string[]): string[] {
	return [...before, value];
}

/** What an option says that is given as `name=value`, any number of times. @throws UsageError */
export function pairs(flag: string, given: readonly string[]): Record<string, string> {
	return Object.fromEntries(
		given.map((text) => {
			const at = text.indexOf("=");
			if (at < 1) throw new UsageError(`${flag}: ${text} is not of the form name=value`);
			return [text.slice(0, at), text.slice(at + 1)];
		}),
	);
}

/** Names with commas between; at least one, for none would mean all. @throws UsageError */
export function listOf(flag: string, text: string): string[] {
	const names = text
		.split(",")
		.map((name) => name.trim())
		.filter(Boolean);
	if (names.length === 0) throw new UsageError(`${flag}: no name is given`);
	return names;
}
