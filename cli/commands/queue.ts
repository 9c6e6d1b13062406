import { Command } from "commander";
import type { QueueState } from "../../schema/wire/resources.ts";
import { type ConfirmedFlags, confirm, YES } from "../confirmation.ts";
import { Connection, type ConnectionFlags } from "../connection.ts";
import { print, printJson } from "../terminal.ts";
import { command } from "./command.ts";

/** `windlass queue`: whether new jobs are given out. */

interface Flags extends ConnectionFlags {
	output: string;
}

function show(state: QueueState, output: string): void {
	if (output === "json") printJson(state);
	else if (!state.paused) print("The queue gives out jobs.");
	else print(`The queue is paused by ${state.paused_by}${state.reason ? `: ${state.reason}` : ""}. What runs goes on; what waits waits.`);
}

export function queueCommand(): Command {
	return new Command("queue")
		.description("The queue: whether it gives out jobs.")
		.addHelpText("after", "\nExample:\n  windlass queue pause --reason 'moving house' --yes")
		.addCommand(
			command("show", "Say whether the queue gives out jobs.", "windlass queue show").action(async (flags: Flags) =>
				show(await new Connection(flags).json<QueueState>("/api/v1/queue"), flags.output),
			),
		)
		.addCommand(
			command("pause", "Give out no jobs until it is resumed. What runs goes on.", "windlass queue pause --reason 'moving house'")
				.option("-m, --reason <text>", "why")
				.option(...YES)
				.action(async (flags: Flags & ConfirmedFlags & { reason?: string }) => {
					const connection = new Connection(flags);
					await confirm("Pause the queue, for every project", flags);
					const json = flags.reason === undefined ? {} : { reason: flags.reason };
					show(await connection.json<QueueState>("/api/v1/queue/pause", { method: "POST", json }), flags.output);
				}),
		)
		.addCommand(
			command("resume", "Give out jobs again.", "windlass queue resume").action(async (flags: Flags) =>
				show(await new Connection(flags).json<QueueState>("/api/v1/queue/resume", { method: "POST", json: {} }), flags.output),
			),
		);
}
