import { Command } from "commander";
import { QUOTA_TEXTS, QUOTAS, type QuotaState, type QuotaUnit, usedOf } from "../../schema/wire/quotas.ts";
import { Connection } from "../connection.ts";
import { print, printJson, progressCells, table } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command, type Flags } from "./command.ts";

/** `windlass quotas`: how much of a shared coordinator a team takes. */

const ADDRESS = "/api/v1/quotas";
interface SetFlags extends Flags {
	queuedJobs?: number | null;
	runningJobs?: number | null;
	stored?: number | null;
	caches?: number | null;
	jobTime?: number | null;
	log?: number | null;
}

export function quotasCommand(): Command {
	const quotas = new Command("quotas")
		.description("Show and change how much the team may use.")
		.addHelpText("after", "\nExample:\n  windlass quotas set --running-jobs 20 --stored 200GiB");
	quotas.addCommand(
		command("show", "Show the quotas, and how much of each is used.", "windlass quotas show").action(async (flags: Flags) =>
			show(await new Connection(flags).json<QuotaState>(ADDRESS), flags),
		),
		{ isDefault: true },
	);
	quotas.addCommand(setCommand());
	return quotas;
}

function show(state: QuotaState, { output }: Flags): void {
	if (output === "json") {
		printJson(state);
		return;
	}
	const rows = QUOTAS.map(({ name, label, unit }) => {
		const { words } = QUOTA_TEXTS[unit];
		const most = state.quotas[name];
		const used = usedOf(state, name);
		const share = used === null || most === null ? "" : progressCells(used / most);
		return [label, used === null ? "" : words(used), most === null ? "no limit" : words(most), share];
	});
	print(table([["", "used", "quota", ""], ...rows]));
}

function setCommand(): Command {
	return command("set", "Change quotas; none takes one away.", "windlass quotas set --running-jobs 20 --stored 200GiB --caches none")
		.option("--queued-jobs <n>", "jobs that wait for an agent: submissions above it are refused", amountOf("count"))
		.option("--running-jobs <n>", "jobs that run at once: others wait", amountOf("count"))
		.option("--stored <size>", "logs, artifacts and uploaded sources: uploads above it are refused", amountOf("bytes"))
		.option("--caches <size>", "caches: above it the least recently used ones go", amountOf("bytes"))
		.option("--job-time <duration>", "how long a job may run, whatever its timeout says", amountOf("duration"))
		.option("--log <size>", "the log of a job: what is above it is left out", amountOf("bytes"))
		.action(async (flags: SetFlags) => {
			const json = {
				queued_jobs: flags.queuedJobs,
				running_jobs: flags.runningJobs,
				stored_bytes: flags.stored,
				cache_bytes: flags.caches,
				job_ms: flags.jobTime,
				log_bytes: flags.log,
			};
			if (Object.values(json).every((value) => value === undefined))
				throw new UsageError("name what changes; see windlass quotas set --help");
			show(await new Connection(flags).json<QuotaState>(ADDRESS, { method: "PATCH", json }), flags);
		});
}

/** Reads an amount; none takes the quota away. @throws UsageError */
function amountOf(unit: QuotaUnit): (text: string) => number | null {
	const { parse, noun } = QUOTA_TEXTS[unit];
	return (text) => {
		const amount = text === "none" ? null : parse(text);
		if (text === "none" || (amount !== null && amount >= 1)) return amount;
		throw new UsageError(`${text} is no ${noun}, and not none`);
	};
}
