import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { open, rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import type { Target } from "./target.ts";
import { elapsed, repeated, type Timing, timing } from "./timing.ts";

/**
 * The speed of the machine itself, measured in the same run: by the ratios, machines of different
 * speed, and quiet and busy hours of one machine, can be compared.
 */

const run = promisify(execFile);

const WARM_UP = 100;
const COPIES = 3;
const STARTS = 5;
const WRITE_BYTES = 1024 * 1024;

/** The least that a request to workerd can take: no token, no storage. */
export async function trivialRequest(target: Target, concurrency = 1, count = 1_000): Promise<Timing> {
	const ask = () => target.send("/healthz", { method: "GET", token: null });
	for (let index = 0; index < WARM_UP; index += 1) await ask();
	const samples: number[] = [];
	const hand = async () => {
		while (samples.length < count) samples.push(await elapsed(ask));
	};
	const total = await elapsed(() => Promise.all(Array.from({ length: concurrency }, hand)));
	return timing(samples, total);
}

/** Milliseconds for this many bytes. */
export interface ByteFloors {
	pipe: number;
	copy: number;
}

/**
 * The time to pass this many bytes from one process to another, and to copy a file of that size,
 * until its bytes are on the disk.
 */
export async function byteFloors(folder: string, bytes: number): Promise<ByteFloors> {
	const file = path.join(folder, "floor");
	const copy = path.join(folder, "floor-copy");
	await writeRandom(file, bytes);
	const pipe = await repeated(COPIES, () => run("sh", ["-c", 'cat "$1" | cat >/dev/null', "sh", file]));
	const copied = await repeated(COPIES, async () => {
		await rm(copy, { force: true });
		await run("cp", [...(process.platform === "linux" ? ["--reflink=never"] : []), file, copy]);
		await synced(copy);
	});
	await rm(file);
	await rm(copy);
	return { pipe: pipe.p50, copy: copied.p50 };
}

/** Waits until the bytes of a file are on the disk. */
async function synced(file: string): Promise<void> {
	const handle = await open(file);
	await handle.sync();
	await handle.close();
}

async function writeRandom(file: string, bytes: number): Promise<void> {
	const block = randomBytes(WRITE_BYTES);
	const handle = await open(file, "w");
	for (let written = 0; written < bytes; written += WRITE_BYTES) await handle.write(block);
	await handle.close();
}

/** The time to start `bash` and wait for its end, so many at once. */
export async function bash(concurrency = 1, count = 200): Promise<Timing> {
	const start = () => new Promise<void>((resolve) => spawn("bash", ["-c", "true"], { stdio: "ignore" }).once("exit", () => resolve()));
	const samples: number[] = [];
	let left = count;
	const hand = async () => {
		while (left > 0) {
			left -= 1;
			samples.push(await elapsed(start));
		}
	};
	const total = await elapsed(() => Promise.all(Array.from({ length: concurrency }, hand)));
	return timing(samples, total);
}

/** The time to start Node with an empty program. */
export function nodeStart(): Promise<Timing> {
	return repeated(STARTS, () => run(process.execPath, ["--eval", "0"]));
}
