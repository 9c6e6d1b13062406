import { Command } from "commander";
import type { Page } from "../../schema/wire/resources.ts";
import type { Session } from "../../schema/wire/sessions.ts";
import { Connection, type ConnectionFlags } from "../connection.ts";
import { ago, print, printJson, table } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command } from "./command.ts";

/** `windlass sessions`: who is signed in to the status page. */

interface Flags extends ConnectionFlags {
	output: string;
}

export function sessionsCommand(): Command {
	return new Command("sessions")
		.description("Browsers that are signed in to the status page.")
		.addHelpText("after", "\nExample:\n  windlass sessions ls\n  windlass sessions end --all")
		.addCommand(
			command("ls", "List the sessions, newest first.", "windlass sessions ls").action(async (flags: Flags) => {
				const { items } = await new Connection(flags).json<Page<Session>>("/api/v1/sessions");
				if (flags.output === "json") return printJson(items);
				if (items.length === 0) return print("Nobody is signed in.");
				const rows = items.map((one) => [one.name, one.address, ago(one.created_at), one.id, one.user_agent]);
				print(table([["token", "address", "signed in", "id", "browser"], ...rows]));
			}),
		)
		.addCommand(
			command("end", "End a session, or all of them.", "windlass sessions end ses_01JB…")
				.argument("[id]", "which")
				.option("--all", "every session")
				.action(async (id: string | undefined, flags: Flags & { all?: boolean }) => {
					if ((id === undefined) === (flags.all !== true)) throw new UsageError("name one session, or give --all");
					const address = id === undefined ? "/api/v1/sessions" : `/api/v1/sessions/${encodeURIComponent(id)}`;
					await new Connection(flags).send(address, { method: "DELETE" });
					if (flags.output === "json") printJson({ ended: id ?? "all" });
					else print(id === undefined ? "All sessions have ended." : `The session ${id} has ended.`);
				}),
		);
}
