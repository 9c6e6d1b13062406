import { open } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Part } from "./part.ts";
import { IS_FLOOR, latencyRow, timesFloor, timingRow } from "./table.ts";
import { onTarget, type Target } from "./target.ts";
import { elapsed, repeated, type Timing, timing } from "./timing.ts";

const RUNS = 1_000;
const BATCHES = 8;
const WARM_UP = 3;
const SYNCS = 50;
const SYNCED_BYTES = 64 * 1024;
const CHECK_MS = 5;

/** Many submissions in one request. */
export const batches: Part = {
	title: "Batch submissions",
	measure: (folder) =>
		onTarget(path.join(folder, "data"), ["--no-agent"], async (target) => {
			const floor = await synced(path.join(folder, "synced"));
			for (let index = 0; index < WARM_UP; index += 1) await submitBatch(target);
			const accepted: number[] = [];
			const recorded: number[] = [];
			for (let index = 0; index < BATCHES; index += 1) {
				accepted.push(await elapsed(() => submitBatch(target)));
				recorded.push(await elapsed(() => untilRecorded(target)));
			}
			const total = accepted.reduce((sum, ms) => sum + ms, 0);
			const all = { ...timing(accepted, total), rate: (RUNS * BATCHES * 1_000) / total };
			const rows = [
				timingRow("write 64 KiB until they are on the disk", floor, IS_FLOOR),
				timingRow(`${RUNS} submissions in one request; runs a second`, all, timesFloor(all, floor)),
				latencyRow("the answer → D1 has them", timing(recorded, total), timesFloor(timing(recorded, total), floor)),
			];
			return { rows, memory: [] };
		}),
};

async function submitBatch(target: Target): Promise<void> {
	const lines = Array.from({ length: RUNS }, () => JSON.stringify({ run: "true", runs_on: ["nowhere"] }));
	await target.send("/api/v1/runs/batch", { method: "POST", bytes: Buffer.from(lines.join("\n")) });
}

async function untilRecorded(target: Target): Promise<void> {
	while ((await target.get<{ outbox_waiting: number }>("/readyz")).outbox_waiting > 0) await sleep(CHECK_MS);
}

/** The least for anything durable: a write and an fsync. */
async function synced(file: string): Promise<Timing> {
	const handle = await open(file, "w");
	const bytes = new Uint8Array(SYNCED_BYTES);
	try {
		return await repeated(SYNCS, async () => {
			await handle.write(bytes, 0, bytes.byteLength, 0);
			await handle.sync();
		});
	} finally {
		await handle.close();
	}
}
