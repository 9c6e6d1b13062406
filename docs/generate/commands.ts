import type { Argument, Command, Option } from "commander";
import { programOf } from "../../cli/program.ts";
import { anchorOf, escaped, paragraph, sentence } from "./markdown.ts";

/** The commands of the `windlass` program, from commander: what `--help` shows, as a page. */

/** An option of at least so many commands is described once. */
const MANY = 10;
const COMMON_HEADING = "Common options";

/** A command that does something, with its name as a person types it. */
interface Leaf {
	name: string;
	command: Command;
}

/** The program as it is where no variable sets a default. */
export function program(): Promise<Command> {
	for (const name of Object.keys(process.env)) if (name.startsWith("WINDLASS_")) delete process.env[name];
	return programOf(() => undefined);
}

/** The sections of `reference/cli.md`, in Markdown. */
export async function commandSections(): Promise<string> {
	const root = await program();
	const leaves = leavesOf(root, root.name());
	const common = commonOptions(leaves);
	const sections = root.commands.map((command) => sectionText(command, `${root.name()} ${command.name()}`, common));
	return [commonText(common), ...sections].join("\n\n");
}

function leavesOf(command: Command, name: string): Leaf[] {
	if (command.commands.length === 0) return [{ name, command }];
	return command.commands.flatMap((inner) => leavesOf(inner, `${name} ${inner.name()}`));
}

function identity({ flags, description, defaultValue }: Option): string {
	return JSON.stringify([flags, description, defaultValue]);
}

function commonOptions(leaves: readonly Leaf[]): Map<string, Option> {
	const options = leaves.flatMap(({ command }) => command.options);
	const counts = Map.groupBy(options, identity);
	return new Map([...counts].flatMap(([key, [first, ...others]]) => (first && others.length + 1 >= MANY ? [[key, first]] : [])));
}

function commonText(common: ReadonlyMap<string, Option>): string {
	const introduction = "Many commands take these options. Each of them names those that it takes.";
	return [`## ${COMMON_HEADING}`, "", introduction, "", ...[...common.values()].map(optionText)].join("\n");
}

/** A command with those below it. */
function sectionText(command: Command, name: string, common: ReadonlyMap<string, Option>): string {
	if (command.commands.length === 0) return leafText(command, name, common, "##");
	const inner = command.commands.map((one) => leafText(one, `${name} ${one.name()}`, common, "###"));
	return [`## \`${name}\`\n\n${paragraph(escaped(sentence(command.description())))}`, ...inner].join("\n\n");
}

function leafText(command: Command, name: string, common: ReadonlyMap<string, Option>, level: string): string {
	const own = command.options.filter((option) => !common.has(identity(option)));
	const shared = command.options.filter((option) => common.has(identity(option)));
	const list = [...command.registeredArguments.map(argumentText), ...own.map(optionText)];
	if (shared.length > 0) {
		const names = shared.map(({ long, flags }) => `\`${long ?? flags}\``).join(", ");
		list.push(paragraph(`[${COMMON_HEADING}](#${anchorOf(COMMON_HEADING)}): ${names}.`, "- "));
	}
	const aliases = command.aliases().map((alias) => `\`${alias}\``);
	const also = aliases.length > 0 ? ` Another name: ${aliases.join(", ")}.` : "";
	const usage = [name, ...command.registeredArguments.map(usageOf)].join(" ");
	return [
		`${level} \`${name}\``,
		paragraph(`${escaped(sentence(command.description()))}${also}`),
		`\`\`\`text\n${usage}${command.options.length > 0 ? " [options]" : ""}\n\`\`\``,
		...(list.length > 0 ? [list.join("\n")] : []),
		...exampleText(command),
	].join("\n\n");
}

function usageOf(argument: Argument): string {
	const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
	return argument.required ? `<${name}>` : `[${name}]`;
}

function argumentText(argument: Argument): string {
	return paragraph(`\`${usageOf(argument)}\`: ${escaped(sentence(argument.description))}`, "- ");
}

/** An option as an item of a list: its variable, its default and its values, where it has them. */
export function optionText(option: Option): string {
	const { flags, description, argChoices, envVar, mandatory } = option;
	const parts = [
		sentence(escaped(description)),
		...(mandatory ? ["Required."] : []),
		...(argChoices ? [`One of ${argChoices.map((choice) => `\`${choice}\``).join(", ")}.`] : []),
		...(envVar ? [`Variable: \`${envVar}\`.`] : []),
		...(hasDefault(option) ? [`Default: \`${option.defaultValue}\`.`] : []),
	];
	return paragraph(`\`${flags}\`: ${parts.join(" ")}`, "- ");
}

function hasDefault({ defaultValue, negate }: Option): boolean {
	return !negate && defaultValue !== undefined && defaultValue !== "" && !Array.isArray(defaultValue);
}

/** The example that the help ends with. */
function exampleText(command: Command): string[] {
	let help = "";
	command.configureOutput({
		writeOut: (text) => {
			help += text;
		},
	});
	command.outputHelp();
	const [, example] = help.split("\nExample:\n");
	if (example === undefined) return [];
	const lines = example.trimEnd().split("\n");
	return [`\`\`\`sh\n${lines.map((line) => line.replace(/^ {2}/, "")).join("\n")}\n\`\`\``];
}
