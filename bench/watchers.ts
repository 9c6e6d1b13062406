import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { trivialRequest } from "./floors.ts";
import { livesOf } from "./lives.ts";
import { watchMemory } from "./memory.ts";
import type { Part } from "./part.ts";
import type { Row } from "./table.ts";
import { onTarget, type Target } from "./target.ts";

const WATCHERS = 1_000;
const JOBS = 500;
const JOIN_MS = 2_000;

/** Whether many open pages slow the jobs. */
export const watchers: Part = {
	title: "Open pages",
	measure: (folder) =>
		onTarget(path.join(folder, "data"), ["--no-agent"], async (target) => {
			const floor = await trivialRequest(target, 20, 3_000);
			const named = (rows: readonly Row[], what: string) => rows.map(([action, ...cells]): Row => [`${what}: ${action}`, ...cells]);
			const alone = named(await livesOf(target, 4, floor, JOBS, "alone"), "nobody watches");
			const { value: watched, memory } = await watchMemory(target, `${WATCHERS} watchers`, async () => {
				const stop = await watchAll(target);
				const rows = named(await livesOf(target, 4, floor, JOBS, "watched"), `${WATCHERS} watch`);
				stop();
				return rows;
			});
			return { rows: [...alone, ...watched], memory };
		}),
};

/** Opens the front page many times, and its updates. @returns what closes them */
async function watchAll(target: Target): Promise<() => void> {
	const streams = await Promise.all(
		Array.from({ length: WATCHERS }, () => target.open("/", { method: "GET", headers: { Accept: "text/event-stream" } })),
	);
	for (const { body } of streams) {
		body.on("error", () => undefined);
		body.resume();
	}
	await sleep(JOIN_MS);
	return () => {
		for (const { body } of streams) body.destroy();
	};
}
