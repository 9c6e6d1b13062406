import { Command } from "commander";
import type { Page } from "../../schema/wire/resources.ts";
import type { Session } from "../../schema/wire/sessions.ts";
import { Connection } from "../connection.ts";
import { ago, print, printJson, table } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command, type Flags } from "./command.ts";

/** `windlass sessions`: the browsers that are signed in to the status page. */
export function sessionsCommand(): Command {
	return new Command("sessions")
		.description("List and end the sessions of browsers on the status page.")
		.addHelpText("after", "\nExample:\n  windlass sessions ls\n  windlass sessions end --all")
		.addCommand(
			command("ls", "List the sessions, newest first.", "windlass sessions ls").action(async (flags: Flags) => {
				const { items } = await new Connection(flags).json<Page<Session>>("/api/v1/sessions");
				if (flags.output === "json") return printJson(items);
				if (items.length === 0) return print("No browser is signed in.");
				const rows = items.map((one) => [one.name, one.address, ago(one.created_at), one.id, one.user_agent]);
				print(table([["token", "address", "signed in", "id", "browser"], ...rows]));
			}),
		)
		.addCommand(
			command("end", "End one session, or all of them.", "windlass sessions end ses_01JB…")
				.argument("[id]", "the id of the session (ses_…)")
				.option("--all", "end every session")
				.action(async (id: string | undefined, flags: Flags & { all?: boolean }) => {
					if ((id === undefined) === (flags.all !== true)) throw new UsageError("Name one session by its id, or use --all.");
					const address = id === undefined ? "/api/v1/sessions" : `/api/v1/sessions/${encodeURIComponent(id)}`;
					await new Connection(flags).send(address, { method: "DELETE" });
					if (flags.output === "json") printJson({ ended: id ?? "all" });
					else print(id === undefined ? "All sessions have ended." : `Session ${id} has ended.`);
				}),
		);
}
