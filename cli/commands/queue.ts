import { Command } from "commander";
import type { QueueState } from "../../schema/wire/resources.ts";
import { type ConfirmedFlags, confirm, YES } from "../confirmation.ts";
import { Connection } from "../connection.ts";
import { print, printJson } from "../terminal.ts";
import { command, type Flags } from "./command.ts";

/** `windlass queue`: pauses and resumes the queue. */

function show(state: QueueState, output: string): void {
	if (output === "json") printJson(state);
	else if (!state.paused) print("The queue starts jobs.");
	else
		print(
			`The queue is paused by ${state.paused_by}${state.reason ? `: ${state.reason}` : ""}. Running jobs continue; waiting jobs do not start.`,
		);
}

export function queueCommand(): Command {
	return new Command("queue")
		.description("Pause and resume the queue.")
		.addHelpText("after", "\nExample:\n  windlass queue pause --reason 'moving house' --yes")
		.addCommand(
			command("show", "Show whether the queue starts jobs.", "windlass queue show").action(async (flags: Flags) =>
				show(await new Connection(flags).json<QueueState>("/api/v1/queue"), flags.output),
			),
		)
		.addCommand(
			command("pause", "Start no jobs until the queue is resumed. Running jobs continue.", "windlass queue pause --reason 'moving house'")
				.option("-m, --reason <text>", "the reason, which the pages show")
				.option(...YES)
				.action(async (flags: Flags & ConfirmedFlags & { reason?: string }) => {
					const connection = new Connection(flags);
					await confirm("Pause the queue for every project", flags);
					const json = flags.reason === undefined ? {} : { reason: flags.reason };
					show(await connection.json<QueueState>("/api/v1/queue/pause", { method: "POST", json }), flags.output);
				}),
		)
		.addCommand(
			command("resume", "Start jobs again.", "windlass queue resume").action(async (flags: Flags) =>
				show(await new Connection(flags).json<QueueState>("/api/v1/queue/resume", { method: "POST", json: {} }), flags.output),
			),
		);
}
