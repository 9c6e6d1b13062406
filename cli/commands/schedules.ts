import { Command } from "commander";
import type { Page } from "../../schema/wire/resources.ts";
import type { Schedule } from "../../schema/wire/schedules.ts";
import { type ConfirmedFlags, confirm, YES } from "../confirmation.ts";
import { Connection } from "../connection.ts";
import { ago, paint, print, printJson, table } from "../terminal.ts";
import { command, type Flags, PARAMETER, pairs, repeatable } from "./command.ts";

/** `windlass schedules`: the times at which runs of a project start. */

interface AddFlags extends Flags {
	cron: string;
	timezone?: string;
	branch?: string;
	file?: string;
	pipeline?: string;
	param?: string[];
	expectSuccessWithin?: string;
}

const SCHEDULE = ["<id>", "the id of the schedule (sch_…)"] as const;
const addressOf = (id: string) => `/api/v1/schedules/${encodeURIComponent(id)}`;
const addressOfAll = (project: string) => `/api/v1/projects/${encodeURIComponent(project)}/schedules`;

function subject({ file, pipeline, branch, origin }: Schedule): string {
	const found = pipeline ?? file ?? "the pipelines of a push";
	return `${found}${branch ? ` on ${branch}` : ""}${origin === "file" ? " (from its file)" : ""}`;
}

function show(items: readonly Schedule[], output: string): void {
	if (output === "json") {
		printJson(items);
		return;
	}
	const rows = items.map((one) => [
		`${one.cron} ${one.timezone}`,
		subject(one),
		one.paused_by === null ? (one.next[0] ?? "never") : paint("yellow", `paused by ${one.paused_by}`),
		one.is_overdue
			? paint("red", `overdue: no success ${one.succeeded_at === null ? "yet" : `since ${ago(one.succeeded_at)}`}`)
			: one.error === null
				? ago(one.fired_at)
				: paint("red", `${ago(one.fired_at)}, no run: ${one.error}`),
		one.id,
	]);
	print(table([["time", "runs", "next", "last", "id"], ...rows]));
}

function changing(name: string, description: string, paused: boolean): Command {
	const made = command(name, description, `windlass schedules ${name} sch_01JB…${paused ? " --yes" : ""}`).argument(...SCHEDULE);
	if (paused) made.option(...YES);
	return made.action(async (id: string, flags: Flags & ConfirmedFlags) => {
		const connection = new Connection(flags);
		if (paused) await confirm(`Pause schedule ${id}`, flags);
		show([await connection.json<Schedule>(addressOf(id), { method: "PATCH", json: { paused } })], flags.output);
	});
}

export function schedulesCommand(): Command {
	return new Command("schedules")
		.description("Manage the times at which runs of a project start.")
		.addHelpText("after", "\nExample:\n  windlass schedules add web --cron '0 3 * * 1-5' --timezone Europe/Berlin")
		.addCommand(
			command("ls", "List the schedules of a project.", "windlass schedules ls web")
				.argument("<project>", "the name of the project")
				.action(async (project: string, flags: Flags) => {
					const { items } = await new Connection(flags).json<Page<Schedule>>(addressOfAll(project));
					if (items.length === 0 && flags.output !== "json")
						print(`Project ${project} has no schedule. Make one: windlass schedules add ${project} --cron '0 3 * * *'`);
					else show(items, flags.output);
				}),
		)
		.addCommand(
			command("add", "Make a schedule.", "windlass schedules add web --cron '0 3 * * *' --file .windlass/nightly.yml")
				.argument("<project>", "the name of the project")
				.requiredOption("--cron <pattern>", "minute, hour, day of the month, month, day of the week")
				.option("--timezone <name>", "the time zone of the pattern (default: UTC)")
				.option("--branch <name>", "the branch to run (default: the default branch)")
				.option("--file <path>", "a pipeline file of the repository (default: the pipelines that a push runs)")
				.option("--pipeline <id>", "a stored pipeline (pip_…) instead of the repository")
				.option("--expect-success-within <duration>", "how long a success may be away, such as 26h: then the schedule counts as overdue")
				.addOption(repeatable(...PARAMETER))
				.action(async (project: string, flags: AddFlags) => {
					const { cron, timezone, branch, file, pipeline, expectSuccessWithin } = flags;
					const json = {
						cron,
						timezone,
						branch,
						file,
						pipeline,
						params: pairs("--param", flags.param),
						expect: expectSuccessWithin === undefined ? undefined : { success_within: expectSuccessWithin },
					};
					show([await new Connection(flags).json<Schedule>(addressOfAll(project), { method: "POST", json })], flags.output);
				}),
		)
		.addCommand(changing("pause", "Pause a schedule: it starts no runs until it is resumed.", true))
		.addCommand(changing("resume", "Resume a schedule.", false))
		.addCommand(
			command("rm", "Remove a schedule. A schedule from a pipeline file is changed in that file.", "windlass schedules rm sch_01JB…")
				.argument(...SCHEDULE)
				.action(async (id: string, flags: Flags) => {
					await new Connection(flags).send(addressOf(id), { method: "DELETE" });
					if (flags.output === "json") printJson({ removed: id });
					else print(`Schedule ${id} is removed.`);
				}),
		);
}
