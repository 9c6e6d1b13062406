import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { trivialRequest } from "./floors.ts";
import { livesOf } from "./lives.ts";
import type { Part } from "./part.ts";
import { countRow } from "./table.ts";
import { onTarget, type Target } from "./target.ts";

const JOBS = 400;
/** Counted with the jobs: those of the warm-up. */
const ALL_JOBS = JOBS + 200;
const SETTLE_MS = 1_000;

/** What a trivial job costs in statements and rows, as Cloudflare counts them. */
export const costs: Part = {
	title: "Statements and rows of a trivial job",
	measure: (folder) =>
		onTarget(path.join(folder, "data"), ["--no-agent", "--log-level", "trace"], async (target) => {
			const counted = countLogged(target);
			await livesOf(target, 4, await trivialRequest(target, 1, 10), JOBS);
			await sleep(SETTLE_MS);
			const each = (field: string) => (counted.get(field) ?? 0) / ALL_JOBS;
			const rows = [
				countRow("statements in the Dispatcher", each("statements"), ""),
				countRow("rows read in the Dispatcher", each("rows_read"), ""),
				countRow("rows written in the Dispatcher", each("statements rows_written"), ""),
				countRow("rows written in D1", each("recorded rows_written"), ""),
			];
			return { rows, memory: [] };
		}),
};

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
