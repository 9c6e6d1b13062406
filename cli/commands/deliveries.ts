import { Command } from "commander";
import type { Delivery } from "../../schema/wire/deliveries.ts";
import type { Page, SubmittedRun } from "../../schema/wire/resources.ts";
import { Connection } from "../connection.ts";
import { ago, paint, print, printJson, table } from "../terminal.ts";
import { command, type Flags } from "./command.ts";
import { printAddress } from "./submitted_run.ts";

/** `windlass deliveries`: the webhook deliveries of forges, and their outcomes. */

const COLORS = { accepted: "green", ignored: "gray", rejected: "red", received: "yellow" } as const;

export function deliveriesCommand(): Command {
	return new Command("deliveries")
		.description("Show the webhook deliveries of projects, and replay them.")
		.addHelpText("after", "\nExample:\n  windlass deliveries ls web")
		.addCommand(
			command("ls", "List the deliveries of a project, newest first.", "windlass deliveries ls web --limit 50")
				.argument("<project>", "the name of the project")
				.option("-n, --limit <n>", "how many deliveries", "20")
				.action(async (project: string, flags: Flags & { limit: string }) => {
					const address = `/api/v1/projects/${encodeURIComponent(project)}/deliveries?${new URLSearchParams({ limit: flags.limit })}`;
					const { items } = await new Connection(flags).json<Page<Delivery>>(address);
					if (flags.output === "json") return printJson(items);
					if (items.length === 0)
						return print(`Project ${project} has no delivery yet. windlass projects show ${project} shows the address of its webhook.`);
					const rows = items.map((one) => [paint(COLORS[one.outcome], one.outcome), one.event, one.reason, ago(one.received_at), one.id]);
					print(table([["outcome", "event", "reason", "received", "id"], ...rows]));
				}),
		)
		.addCommand(
			command("show", "Show a delivery.", "windlass deliveries show dlv_01JB…")
				.argument("<id>", "the id of the delivery (dlv_…)")
				.action(async (id: string, flags: Flags) => {
					const one = await new Connection(flags).json<Delivery>(`/api/v1/deliveries/${encodeURIComponent(id)}`);
					if (flags.output === "json") return printJson(one);
					const { trigger } = one;
					print(
						table([
							["delivery", one.id],
							["project", one.project],
							["forge", `${one.forge}, its id: ${one.delivery}`],
							["event", one.event],
							["outcome", `${paint(COLORS[one.outcome], one.outcome)}: ${one.reason}`],
							["trigger", trigger ? `${trigger.actor}: ${trigger.ref} ${trigger.sha?.slice(0, 12) ?? ""}` : "–"],
							["run", one.run_id ?? "–"],
							["received", ago(one.received_at)],
						]),
					);
				}),
		)
		.addCommand(
			command("replay", "Handle a delivery once more.", "windlass deliveries replay dlv_01JB…")
				.argument("<id>", "the id of the delivery (dlv_…)")
				.action(async (id: string, flags: Flags) => {
					const address = `/api/v1/deliveries/${encodeURIComponent(id)}/replay`;
					const run = await new Connection(flags).json<SubmittedRun>(address, { method: "POST", json: {} });
					if (flags.output === "json") printJson(run);
					else printAddress(run);
				}),
		);
}
