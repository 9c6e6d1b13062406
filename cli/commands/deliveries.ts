import { Command } from "commander";
import type { Delivery } from "../../schema/wire/deliveries.ts";
import type { Page, SubmittedRun } from "../../schema/wire/resources.ts";
import { Connection, type ConnectionFlags } from "../connection.ts";
import { ago, paint, print, printJson, table } from "../terminal.ts";
import { command } from "./command.ts";

/** `windlass deliveries`: what forges have delivered, and what became of it. */

interface Flags extends ConnectionFlags {
	output: string;
}

const COLORS = { accepted: "green", ignored: "gray", rejected: "red", received: "yellow" } as const;

export function deliveriesCommand(): Command {
	return new Command("deliveries")
		.description("What forges have delivered to the hooks of projects, and what became of it.")
		.addHelpText("after", "\nExample:\n  windlass deliveries ls web")
		.addCommand(
			command("ls", "List the deliveries of a project, newest first.", "windlass deliveries ls web --limit 50")
				.argument("<project>", "whose")
				.option("-n, --limit <n>", "how many", "20")
				.action(async (project: string, flags: Flags & { limit: string }) => {
					const address = `/api/v1/projects/${encodeURIComponent(project)}/deliveries?${new URLSearchParams({ limit: flags.limit })}`;
					const { items } = await new Connection(flags).json<Page<Delivery>>(address);
					if (flags.output === "json") return printJson(items);
					if (items.length === 0) return print(`Nothing was delivered yet: windlass projects show ${project} says where to.`);
					const rows = items.map((one) => [paint(COLORS[one.outcome], one.outcome), one.event, one.reason, ago(one.received_at), one.id]);
					print(table([["outcome", "event", "reason", "received", "id"], ...rows]));
				}),
		)
		.addCommand(
			command("show", "Show a delivery.", "windlass deliveries show dlv_01JB…")
				.argument("<id>", "which")
				.action(async (id: string, flags: Flags) => {
					const one = await new Connection(flags).json<Delivery>(`/api/v1/deliveries/${encodeURIComponent(id)}`);
					if (flags.output === "json") return printJson(one);
					const { trigger } = one;
					print(
						table([
							["delivery", one.id],
							["project", one.project],
							["from", `${one.forge}, which calls it ${one.delivery}`],
							["event", one.event],
							["outcome", `${paint(COLORS[one.outcome], one.outcome)}: ${one.reason}`],
							["says", trigger ? `${trigger.actor}: ${trigger.ref} ${trigger.sha?.slice(0, 12) ?? ""}` : "–"],
							["run", one.run_id ?? "–"],
							["received", ago(one.received_at)],
						]),
					);
				}),
		)
		.addCommand(
			command("replay", "Take once more what a delivery has said.", "windlass deliveries replay dlv_01JB…")
				.argument("<id>", "which")
				.action(async (id: string, flags: Flags) => {
					const address = `/api/v1/deliveries/${encodeURIComponent(id)}/replay`;
					const run = await new Connection(flags).json<SubmittedRun>(address, { method: "POST", json: {} });
					if (flags.output === "json") printJson(run);
					else print(`${run.url}\n${run.id}`);
				}),
		);
}
