import type { Command } from "commander";
import { expect, test } from "vitest";
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
