import { Command } from "commander";
import { formatBytes, parseBytes } from "../../schema/wire/bytes.ts";
import type { QuotaName, QuotaState } from "../../schema/wire/quotas.ts";
import { Connection } from "../connection.ts";
import { print, printJson, progressCells, table } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command, type Flags } from "./command.ts";

/** `windlass quotas`: how much of a shared coordinator a team takes. */

const QUOTAS = "/api/v1/quotas";
const ROWS: { name: QuotaName; label: string; isBytes: boolean }[] = [
	{ name: "queued_jobs", label: "waiting jobs", isBytes: false },
	{ name: "running_jobs", label: "running jobs", isBytes: false },
	{ name: "stored_bytes", label: "logs, artifacts and sources", isBytes: true },
	{ name: "cache_bytes", label: "caches", isBytes: true },
];

interface SetFlags extends Flags {
	queuedJobs?: number | null;
	runningJobs?: number | null;
	stored?: number | null;
	caches?: number | null;
}

export function quotasCommand(): Command {
	const quotas = new Command("quotas")
		.description("Show and change how much the team may use.")
		.addHelpText("after", "\nExample:\n  windlass quotas set --running-jobs 20 --stored 200GiB");
	quotas.addCommand(
		command("show", "Show the quotas, and how much of each is used.", "windlass quotas show").action(async (flags: Flags) =>
			show(await new Connection(flags).json<QuotaState>(QUOTAS), flags),
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
	const rows = ROWS.map(({ name, label, isBytes }) => {
		const words = (amount: number) => (isBytes ? formatBytes(amount) : amount.toLocaleString("en"));
		const [used, most] = [state.use[name] ?? 0, state.quotas[name]];
		return [label, words(used), most === null ? "no limit" : words(most), most === null ? "" : progressCells(used / most)];
	});
	print(table([["", "used", "quota", ""], ...rows]));
}

function setCommand(): Command {
	return command("set", "Change quotas; none takes one away.", "windlass quotas set --running-jobs 20 --stored 200GiB --caches none")
		.option("--queued-jobs <n>", "jobs that wait for an agent: submissions above it are refused", amount)
		.option("--running-jobs <n>", "jobs that run at once: others wait", amount)
		.option("--stored <size>", "logs, artifacts and uploaded sources: uploads above it are refused", size)
		.option("--caches <size>", "caches: above it the least recently used ones go", size)
		.action(async (flags: SetFlags) => {
			const json = {
				queued_jobs: flags.queuedJobs,
				running_jobs: flags.runningJobs,
				stored_bytes: flags.stored,
				cache_bytes: flags.caches,
			};
			if (Object.values(json).every((value) => value === undefined))
				throw new UsageError("name what changes; see windlass quotas set --help");
			show(await new Connection(flags).json<QuotaState>(QUOTAS, { method: "PATCH", json }), flags);
		});
}

function amount(text: string): number | null {
	if (text === "none") return null;
	if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
	throw new UsageError(`${text} is no whole number above 0, and not none`);
}

function size(text: string): number | null {
	const bytes = text === "none" ? null : parseBytes(text);
	if (text === "none" || (bytes !== null && bytes >= 1)) return bytes;
	throw new UsageError(`${text} is no size, such as 200GiB, and not none`);
}
