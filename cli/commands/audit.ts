import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Command, Option } from "commander";
import { AUDITED, type AuditEntry, type ChainPlace, chainPlace } from "../../schema/wire/audit.ts";
import type { Page } from "../../schema/wire/resources.ts";
import { Connection } from "../connection.ts";
import { EXIT } from "../exit_codes.ts";
import { ago, print, printJson, table } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command, type Flags } from "./command.ts";
import { verifyChain } from "./verify_chain.ts";

/** `windlass audit`: who changed what. */

interface ListFlags extends Flags {
	actor?: string;
	event?: string;
	since?: string;
	until?: string;
	limit: string;
}

interface VerifyFlags extends Flags {
	file?: string;
	head?: string;
}

const AUDIT = "/api/v1/audit";

export function auditCommand(setExitCode: (code: number) => void): Command {
	return new Command("audit")
		.description("Read and check the audit log: who changed what, sign-ins, and which jobs got secrets.")
		.addHelpText("after", "\nExample:\n  windlass audit list --event secrets.manage")
		.addCommand(listCommand(), { isDefault: true })
		.addCommand(exportCommand())
		.addCommand(verifyCommand(setExitCode));
}

function listCommand(): Command {
	return command("list", "List the entries, newest first.", "windlass audit list --actor ada --since 2026-01-31")
		.alias("ls")
		.option("--actor <name>", "only entries of this person, program or agent")
		.addOption(new Option("--event <event>", "only entries of this event").choices(AUDITED))
		.option("--since <time>", "only entries of this time or later, such as 2026-01-31")
		.option("--until <time>", "only entries from before this time")
		.option("--limit <n>", "the number of entries", "50")
		.action(async (flags: ListFlags) => {
			const { actor, event, since, until, limit } = flags;
			const wanted = { actor, event, since, until, limit };
			const query = new URLSearchParams(Object.entries(wanted).filter((one): one is [string, string] => one[1] !== undefined));
			const { items } = await new Connection(flags).json<Page<AuditEntry>>(`${AUDIT}?${query}`);
			if (flags.output === "json") printJson(items);
			else print(items.length > 0 ? listText(items) : "There is no such entry.");
		});
}

function listText(entries: readonly AuditEntry[]): string {
	const rows = entries.map(({ seq, at, actor, what, details, outcome, address }) => [
		String(seq),
		ago(new Date(at).toISOString()),
		actor,
		outcome === "done" ? what : `${what} (refused)`,
		Object.entries(details)
			.map(([name, value]) => `${name} ${value ?? "none"}`)
			.join(", "),
		address ?? "",
	]);
	return table([["entry", "when", "actor", "what", "details", "from"], ...rows]);
}

function exportCommand(): Command {
	return command("export", "Write the whole log as JSON lines, oldest first.", "windlass audit export > audit.jsonl").action(
		async (flags: Flags) => {
			await pipeline(await new Connection(flags).stream(`${AUDIT}/export`), process.stdout, { end: false });
		},
	);
}

function verifyCommand(setExitCode: (code: number) => void): Command {
	return command(
		"verify",
		"Check that no entry was changed or removed. The last line names the newest entry: note it elsewhere, and give it to the next check.",
		"windlass audit verify --head 120:9f2c…",
	)
		.option("--file <path>", "check an export in this file, without a coordinator")
		.option("--head <entry:hash>", "the newest entry of an earlier check, which must still be there")
		.action(async (flags: VerifyFlags) => {
			const text: Readable =
				flags.file === undefined ? await new Connection(flags).stream(`${AUDIT}/export`) : createReadStream(flags.file, "utf8");
			const found = await verifyChain(text, placeOf(flags.head));
			if (found.broken !== null) setExitCode(EXIT.failed);
			if (flags.output === "json") return printJson(found);
			if (found.broken !== null) print(`The audit log is not in order: ${found.broken}.`);
			if (found.isExpired) print("It has expired, if it is older than --keep-audit of the coordinator. Or somebody has removed it.");
			const expired = found.after.seq > 0 ? ` Entries up to ${found.after.seq} have expired.` : "";
			print(`${found.entries} ${found.entries === 1 ? "entry is" : "entries are"} in order.${expired}`);
			print(`${found.head.seq}:${found.head.hash}`);
		});
}

/** @throws UsageError */
function placeOf(text: string | undefined): ChainPlace | null {
	if (text === undefined) return null;
	const [seq, hash] = text.split(":");
	const place = chainPlace.safeParse({ seq: Number(seq), hash });
	if (place.success) return place.data;
	throw new UsageError(`--head must be the last line of an earlier check, such as 120:9f2c…, not "${text}"`);
}
