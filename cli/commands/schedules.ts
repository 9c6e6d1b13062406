import { Command } from "commander";
import type { Page } from "../../schema/wire/resources.ts";
import type { Schedule } from "../../schema/wire/schedules.ts";
import { type ConfirmedFlags, confirm, YES } from "../confirmation.ts";
import { Connection, type ConnectionFlags } from "../connection.ts";
import { ago, paint, print, printJson, table } from "../terminal.ts";
import { command, pairs, several } from "./command.ts";

/** `windlass schedules`: times at which something of a project is run. */

interface Flags extends ConnectionFlags {
	output: string;
}

interface AddFlags extends Flags {
	cron: string;
	timezone?: string;
	branch?: string;
	file?: string;
	pipeline?: string;
	param: string[];
}

const addressOf = (id: string) => `/api/v1/schedules/${encodeURIComponent(id)}`;
const listOf = (project: string) => `/api/v1/projects/${encodeURIComponent(project)}/schedules`;

function what({ file, pipeline, branch, origin }: Schedule): string {
	const meant = pipeline ?? file ?? "what a push runs";
	return `${meant}${branch ? ` on ${branch}` : ""}${origin === "file" ? "" : " (made here)"}`;
}

function show(items: readonly Schedule[], output: string): void {
	if (output === "json") {
		printJson(items);
		return;
	}
	const rows = items.map((one) => [
		`${one.cron} ${one.timezone}`,
		what(one),
		one.paused_by === null ? (one.next[0] ?? "never") : paint("yellow", `paused by ${one.paused_by}`),
		one.error === null ? ago(one.fired_at) : paint("red", `${ago(one.fired_at)}, no run: ${one.error}`),
		one.id,
	]);
	print(table([["when", "what", "next", "last", "id"], ...rows]));
}

function changing(name: string, description: string, paused: boolean): Command {
	const made = command(name, description, `windlass schedules ${name} sch_01JB…${paused ? " --yes" : ""}`).argument("<id>", "which");
	if (paused) made.option(...YES);
	return made.action(async (id: string, flags: Flags & ConfirmedFlags) => {
		const connection = new Connection(flags);
		if (paused) await confirm(`Pause the schedule ${id}`, flags);
		show([await connection.json<Schedule>(addressOf(id), { method: "PATCH", json: { paused } })], flags.output);
	});
}

export function schedulesCommand(): Command {
	return new Command("schedules")
		.description("Times at which something of a project is run.")
		.addHelpText("after", "\nExample:\n  windlass schedules add web --cron '0 3 * * 1-5' --timezone Europe/Berlin")
		.addCommand(
			command("ls", "List the schedules of a project.", "windlass schedules ls web")
				.argument("<project>", "whose")
				.action(async (project: string, flags: Flags) => {
					const { items } = await new Connection(flags).json<Page<Schedule>>(listOf(project));
					if (items.length === 0 && flags.output !== "json") print("There is none.");
					else show(items, flags.output);
				}),
		)
		.addCommand(
			command("add", "Make a schedule.", "windlass schedules add web --cron '0 3 * * *' --file .windlass/nightly.yml")
				.argument("<project>", "whose")
				.requiredOption("--cron <pattern>", "minute, hour, day of the month, month, day of the week")
				.option("--timezone <name>", "the time zone that it is meant in (default: UTC)")
				.option("--branch <name>", "the branch to run (default: the main line)")
				.option("--file <path>", "this file of the repository (default: what a push would run)")
				.option("--pipeline <id>", "a pipeline that is kept here (pip_…), in place of the repository")
				.option("-p, --param <name=value>", "a parameter; may be repeated", several, [])
				.action(async (project: string, flags: AddFlags) => {
					const { cron, timezone, branch, file, pipeline } = flags;
					const json = { cron, timezone, branch, file, pipeline, params: pairs("--param", flags.param) };
					show([await new Connection(flags).json<Schedule>(listOf(project), { method: "POST", json })], flags.output);
				}),
		)
		.addCommand(changing("pause", "Pause a schedule: it does not come until it is resumed.", true))
		.addCommand(changing("resume", "Let a schedule come again.", false))
		.addCommand(
			command("rm", "Remove a schedule that was made here.", "windlass schedules rm sch_01JB…")
				.argument("<id>", "which")
				.action(async (id: string, flags: Flags) => {
					await new Connection(flags).send(addressOf(id), { method: "DELETE" });
					if (flags.output === "json") printJson({ removed: id });
					else print("The schedule is removed.");
				}),
		);
}
