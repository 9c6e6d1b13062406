import { migrate } from "../../worker/queue/core/migrations.ts";
import { nodeSql } from "./node_sql.ts";

/** What each table of the queue's storage holds, and what its name does not say of a column. */
const TABLES: Record<string, { about: string; columns?: Record<string, string> }> = {
	meta: { about: "Single values: the version of the schema, the newest revision, the pause of the queue, the team." },
	definitions: { about: "Resolved pipelines of live runs, by the digest of their first JSON text." },
	counters: { about: "The number of the newest run of each project; discovery and comparison runs count apart." },
	runs: {
		about: "Live runs, and ended ones that are not yet recorded in D1. Columns of the record, and those of the queue.",
		columns: {
			rev: "the revision of the newest change",
			cancel_requested: "0 nobody, 1 a person, 2 the timeout of the run",
			holds_group: "whether the run entered, waits for, or holds a slot of its concurrency group",
			discovered_by: "the discovery run that made it",
			is_trusted: "0 for a fork: no secrets, and an approval first",
			trigger_delivery: "the webhook delivery that made it",
		},
	},
	queue_partitions: { about: "Jobs that the same agents can take, in one order.", columns: { is_trusted: "0 for jobs of forks" } },
	jobs: {
		about: "The jobs of those runs.",
		columns: {
			entry: "the place in the partition",
			snoozes: "attempts that ended before they began and do not count",
			result_attempt: "the attempt whose artifacts count",
			attempt: "the number of the newest attempt",
		},
	},
	needs: { about: "Which job needs which." },
	offers: {
		about: "Jobs that are given to an agent which has not named them yet.",
		columns: {
			expires_at: "the end of the claim window; of an assigned job, the end of its lease",
			poll_seq: "the poll whose answer carries it",
			is_assigned: "1: the answer carries the whole job, and the agent may have begun",
		},
	},
	held_logs: { about: "Logs that came whole with their results, until a pack of them is written to R2." },
	attempts: {
		about: "Attempts; a live one holds a lease until `deadline`.",
		columns: { cancel_sent: "whether a poll has carried the cancel", finish_digest: "tells a repeated result from another one" },
	},
	artifacts: { about: "Artifacts of those attempts." },
	agents: {
		about: "Registered agents.",
		columns: {
			session: "the number of the newest process",
			instance: "that process; empty while none is connected",
			has_missed_offer: "whether an offer expired since the newest poll",
			facts: "what the agent says about its machine",
			pinned_labels: "labels of the registration token",
			next_secret_hash: "of a token that is being rotated in",
		},
	},
	registration_tokens: { about: "Tokens with which agents register." },
	declines: { about: "Jobs that an agent declined or let expire, and until when it is passed over." },
	idempotency: { about: "Idempotency-Keys of the last day." },
	timers: { about: "What falls due when; the earliest arms the alarm." },
	outbox: {
		about: "Runs with changed rows that are not yet copied to D1.",
		columns: { since: "rows with this revision or a newer one have changed" },
	},
	outbox_dead: { about: "Rows that D1 rejected for what they are; tried again every hour." },
	effects: {
		about: "Side effects that have not happened yet, or failed for good.",
		columns: { key: "effects of one key happen in order", payload: "JSON of the effect" },
	},
	transitions: { about: "Transitions of runs and jobs that are not yet recorded in D1, one list for each run and command." },
	warm_agents: { about: "The agents that have run a job of a project lately.", columns: { at: "refreshed once a day" } },
	groups: { about: "Concurrency groups and how many may run at once." },
	schedules: { about: "Schedules, of files and of people." },
	adoptions: { about: "The newest delivery of the default branch whose file schedules were taken over, by project." },
	shown_statuses: {
		about: "The status that each context of a commit shows, for forty days.",
		columns: { result: "JSON of the last final status" },
	},
	newest_deliveries: { about: "The newest delivery of each pull request whose discovery job has ended." },
	comparisons: { about: "Projects whose refs are compared with the repository, and the newest comparison." },
	known_refs: { about: "Where each ref of a compared project was last." },
	delivered_commits: { about: "Commits that a delivery or a comparison has brought, so that neither runs them twice." },
};

/** The text of schema.sql: the storage of the queue as the migrations leave it. */
export function queueSchema(): string {
	const sql = nodeSql();
	migrate(sql);
	const objects = sql.all<{ type: string; name: string; tbl_name: string; sql: string }>(
		"SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY tbl_name, type DESC, name",
	);
	const missing = Object.keys(TABLES).filter((name) => !objects.some((one) => one.name === name));
	if (missing.length > 0) throw new Error(`test/support/queue_schema.ts describes tables that do not exist: ${missing.join(", ")}.`);
	const header = "-- The storage of the Dispatcher, one database per team. Written by `npm run schema` from migrations.ts.\n";
	return header + objects.map((one) => (one.type === "table" ? tableText(one.name, one.sql) : `${one.sql};\n`)).join("");
}

function tableText(name: string, sql: string): string {
	const described = TABLES[name];
	if (!described) throw new Error(`Table ${name} has no description. Add one to test/support/queue_schema.ts.`);
	const open = sql.indexOf("(");
	const close = sql.lastIndexOf(")");
	const lines = splitAtCommas(sql.slice(open + 1, close));
	const columns = new Set(lines.map((line) => line.split(" ")[0]));
	const unknown = Object.keys(described.columns ?? {}).filter((column) => !columns.has(column));
	if (unknown.length > 0) throw new Error(`Table ${name} has no column ${unknown.join(", ")}. Correct test/support/queue_schema.ts.`);
	const body = lines.map((line, index) => {
		const comment = described.columns?.[line.split(" ")[0] ?? ""];
		return `\t${line}${index < lines.length - 1 ? "," : ""}${comment ? ` -- ${comment}` : ""}`;
	});
	return `\n-- ${described.about}\nCREATE TABLE ${name} (\n${body.join("\n")}\n)${sql.slice(close + 1)};\n`;
}

/** Splits a list at its commas, but not within parentheses. */
function splitAtCommas(text: string): string[] {
	const parts = [""];
	let depth = 0;
	for (const char of text.replace(/\s+/g, " ")) {
		if (char === "(") depth += 1;
		if (char === ")") depth -= 1;
		if (char === "," && depth === 0) parts.push("");
		else parts[parts.length - 1] += char;
	}
	return parts.map((part) => part.trim());
}
