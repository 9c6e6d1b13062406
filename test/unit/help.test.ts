import type { Command } from "commander";
import { expect, test } from "vitest";
import { COMMAND_ACTIONS } from "../../cli/commands/command_roles.ts";
import { programOf } from "../../cli/program.ts";

const program = await programOf(() => undefined);
const withInner = (command: Command): Command[] => [command, ...command.commands.flatMap(withInner)];
const pathOf = (command: Command): string => (command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name());

test.each(program.commands.flatMap(withInner).map((command) => [pathOf(command), command] as const))(
	"%s --help shows an example",
	(_, command) => {
		let help = "";
		command.configureOutput({ writeOut: (text) => (help += text) });
		command.outputHelp();
		expect(help).toMatch(/Example:\n {2}windlass /);
	},
);

test("every command that asks a coordinator says which role it needs, unless everybody may", () => {
	const asking = program.commands
		.flatMap(withInner)
		.filter(({ commands, options }) => commands.length === 0 && options.some(({ long }) => long === "--server"))
		.map((command) => pathOf(command).replace("windlass ", ""))
		.filter((name) => name !== "agent" && name !== "service install");
	expect(asking.toSorted()).toEqual(Object.keys(COMMAND_ACTIONS).toSorted());
	const described = (name: string) => program.commands.find((command) => command.name() === name)?.description();
	expect(described("run")).toMatch(/Needs the role developer\.$/);
	expect(described("ls")).not.toContain("Needs the role");
});
