import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BenchAgent, emptyResult, newRegistrationToken, submitFor } from "./agent.ts";
import { trivialRequest } from "./floors.ts";
import { livesOf } from "./lives.ts";
import type { Part } from "./part.ts";
import { countRow, type Row } from "./table.ts";
import { onTarget, type Target } from "./target.ts";

const JOBS = 400;
/** Counted with the jobs: those of the warm-up. */
const ALL_JOBS = JOBS + 200;
const JOBS_AT_ONCE = 20;
/** So long a job rests, until D1 has it. */
const REST_MS = 150;
const SETTLE_MS = 1_000;

/** What a trivial job costs in statements and rows, as Cloudflare counts them. */
export const costs: Part = {
	title: "Statements and rows of a trivial job",
	measure: (folder) =>
		onTarget(path.join(folder, "data"), ["--no-agent", "--log-level", "trace"], async (target) => {
			const queued = countLogged(target);
			await livesOf(target, 4, await trivialRequest(target, 1, 10), JOBS);
			await sleep(SETTLE_MS);
			const agent = await BenchAgent.join(target, await newRegistrationToken(target, 1), "at-once");
			const atOnce = countLogged(target);
			for (let job = 0; job < JOBS_AT_ONCE; job += 1) await liveAtOnce(agent);
			await sleep(SETTLE_MS);
			const rows = [...rowsOf("queued first", queued, ALL_JOBS), ...rowsOf("taken at once", atOnce, JOBS_AT_ONCE)];
			return { rows, memory: [] };
		}),
};

/** A job that a waiting agent takes and ends, while nothing else runs. */
async function liveAtOnce(agent: BenchAgent): Promise<void> {
	const [offer] = await Promise.all([agent.nextOffer(), submitFor(agent.target, agent.label)]);
	await agent.poll([emptyResult(offer)]);
	await sleep(REST_MS);
}

function rowsOf(what: string, counted: ReadonlyMap<string, number>, jobs: number): Row[] {
	const row = (name: string, field: string) => countRow(`${what}: ${name}`, (counted.get(field) ?? 0) / jobs, "");
	return [
		row("statements in the Dispatcher", "statements"),
		row("rows read in the Dispatcher", "rows_read"),
		row("rows written in the Dispatcher", "statements rows_written"),
		row("rows written in D1", "recorded rows_written"),
	];
}

interface Logged {
	message: string;
	statements?: number;
	rows_read?: number;
	rows_written?: number;
}

/** Sums the costs that the coordinator logs. */
function countLogged(target: Target): Map<string, number> {
	const sums = new Map<string, number>();
	const add = (field: string, value = 0) => sums.set(field, (sums.get(field) ?? 0) + value);
	target.onLogged = (line) => {
		if (!line.startsWith("{")) return;
		const { message, statements, rows_read, rows_written } = JSON.parse(line) as Logged;
		add("statements", statements);
		add("rows_read", rows_read);
		add(`${message} rows_written`, rows_written);
	};
	return sums;
}
