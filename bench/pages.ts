import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Run } from "../schema/wire/resources.ts";
import { trivialRequest } from "./floors.ts";
import { addHistory } from "./history.ts";
import type { Part } from "./part.ts";
import { countRow, latencyRow, type Row, timesFloor } from "./table.ts";
import { onTarget, type Target } from "./target.ts";
import { repeated } from "./timing.ts";

const HISTORY = 1_000_000;
const JOBS = 60;
const READS = 100;
const KILOBYTE = 1_000;
/** The copy to D1 is a moment behind. */
const SETTLE_MS = 1_000;
/** The history is older than any retention policy. */
const KEPT = ["--keep-runs", "3650d", "--keep-logs", "3650d", "--keep-artifacts", "3650d"];
const ASSETS = ["style.css", "page.browser.js", "updates.browser.js", "morph.browser.js"];
const LOG_ASSETS = ["log", "log_blocks", "log_folds", "log_follow", "log_search", "log_tools"].map((name) => `${name}.browser.js`);

/** How large the pages are, and how long the coordinator needs for each. */
export const pages: Part = {
	title: "Pages",
	measure: async (folder) => {
		const data = path.join(folder, "data");
		const small = await onTarget(data, KEPT, measureRun);
		addHistory(data, 0, HISTORY);
		const large = await onTarget(data, ["--no-agent", ...KEPT], async (target) => {
			await target.send("/api/v1/projects", { method: "POST", json: { name: "history-1" } });
			const floor = await trivialRequest(target, 1, 500);
			const rows: Row[] = [];
			for (const [what, address] of [
				["100 runs as a page", "/?per=100"],
				["100 failed runs as a page", "/?per=100&state=failed"],
				["100 runs of a project, with its charts", "/projects/history-1?per=100"],
				["a search of all runs", "/search?q=nothing-has-this"],
			] as const) {
				rows.push(await pageRow(target, `${HISTORY.toLocaleString("en")} runs: ${what}`, address, floor));
			}
			return rows;
		});
		return { rows: [...small, ...large], memory: [] };
	},
};

async function measureRun(target: Target): Promise<Row[]> {
	const jobs = Object.fromEntries(Array.from({ length: JOBS }, (_, index) => [`job${index}`, { steps: ["true"] }]));
	const { id } = await target.send<Run>("/api/v1/runs", { method: "POST", json: { pipeline: { jobs } } });
	await target.send(`/api/v1/runs/${id}/wait?timeout=60`, { method: "GET" });
	await sleep(SETTLE_MS);
	const floor = await trivialRequest(target, 1, 500);
	const { bytes, elements } = await pageOf(target, `/runs/${id}`);
	const assets = await sizesOf(target, ASSETS);
	return [
		await pageRow(target, `a run of ${JOBS} jobs`, `/runs/${id}`, floor),
		countRow(`a run of ${JOBS} jobs, kB over the wire`, bytes / KILOBYTE, ""),
		countRow(`a run of ${JOBS} jobs, elements`, elements, ""),
		countRow("script and style of every page, kB", assets / KILOBYTE, ""),
		countRow("script of a log besides, kB", (await sizesOf(target, LOG_ASSETS)) / KILOBYTE, ""),
	];
}

async function pageRow(target: Target, what: string, address: string, floor: { p50: number }): Promise<Row> {
	const reads = await repeated(READS, () => read(target, address, { Accept: "text/html", "Accept-Encoding": "gzip" }));
	return latencyRow(what, reads, timesFloor(reads, floor));
}

/** A page as a browser gets it: its bytes over the wire, and how many elements it has. */
async function pageOf(target: Target, address: string): Promise<{ bytes: number; elements: number }> {
	const plain = await read(target, address, { Accept: "text/html" });
	const sent = await read(target, address, { Accept: "text/html", "Accept-Encoding": "gzip" });
	return { bytes: sent.byteLength, elements: plain.toString().match(/<[a-z]/g)?.length ?? 0 };
}

async function sizesOf(target: Target, names: readonly string[]): Promise<number> {
	const all = await Promise.all(names.map((name) => read(target, `/assets/${name}`, {})));
	return all.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

async function read(target: Target, address: string, headers: Record<string, string>): Promise<Buffer> {
	const { body } = await target.open(address, { method: "GET", headers });
	return Buffer.from(await body.arrayBuffer());
}
