import { createHash, randomBytes } from "node:crypto";
import path from "node:path";
import { MIB, PART_BYTES } from "../schema/wire/limits.ts";
import { type BenchAgent, BenchAttempt, joinAgents } from "./agent.ts";
import { byteFloors, trivialRequest } from "./floors.ts";
import { watchMemory } from "./memory.ts";
import type { Part } from "./part.ts";
import { bytesRow, IS_FLOOR, latencyRow, onceRow, type Row, shareOf, timesFloor, timingRow } from "./table.ts";
import { onTarget, type Target } from "./target.ts";
import { elapsed, type Timing, timing } from "./timing.ts";

const PARTS = 32;
export const BYTES = PARTS * PART_BYTES;
const SIZE = `${BYTES / MIB} MiB`;
const NAME = "artifact.bin";
/** Requests of others meanwhile: the cheapest one, and one that reads stored data. */
const PROBES = ["/healthz", "/api/v1/runs"] as const;

/**
 * How fast artifacts go up and down: first alone, then with other requests, which share the CPU, and
 * how long those wait.
 */
export const artifacts: Part = {
	title: "Artifacts",
	measure: (folder) =>
		onTarget(path.join(folder, "data"), ["--no-agent"], async (target) => {
			const floor = await trivialRequest(target);
			const bytesFloor = await byteFloors(folder, BYTES);
			const file = randomFile();
			const { agents } = await joinAgents(target, "artifacts", 2);
			const [attempt, second] = await Promise.all([begin(agents[0]), begin(agents[1])]);
			const up = await watchMemory(target, `${SIZE} up`, () => elapsed(() => upload(target, attempt, file)));
			let firstByte = Number.NaN;
			const getFile = async () => {
				firstByte = await download(target, attempt.jobId);
			};
			const down = await watchMemory(target, `${SIZE} down`, () => elapsed(getFile));
			const upBeside = await besideProbes(target, () => upload(target, second, file));
			const downBeside = await besideProbes(target, () => download(target, second.jobId));
			const row = (what: string, ms: number) => bytesRow(what, BYTES, ms, shareOf(ms, bytesFloor.copy, "cp"));
			const probeRows = (probes: readonly Timing[]) =>
				probes.map((one, index): Row => latencyRow(`  meanwhile GET ${PROBES[index]}, one at a time`, one, timesFloor(one, floor)));
			const rows = [
				timingRow("GET /healthz, one at a time", floor, IS_FLOOR),
				bytesRow(`cat of ${SIZE} through a pipe`, BYTES, bytesFloor.pipe, IS_FLOOR),
				bytesRow(`cp and fsync of a file of ${SIZE}`, BYTES, bytesFloor.copy, IS_FLOOR),
				row(`${SIZE} up: plan, parts, finish`, up.value),
				row(`${SIZE} down`, down.value),
				onceRow("  of it GET → its first byte", firstByte, timesFloor({ p50: firstByte }, floor)),
				row(`${SIZE} up, with other requests`, upBeside.ms),
				...probeRows(upBeside.probes),
				row(`${SIZE} down, with other requests`, downBeside.ms),
				...probeRows(downBeside.probes),
			];
			return { rows, memory: [...up.memory, ...down.memory] };
		}),
};

export function begin(agent: BenchAgent | undefined): Promise<BenchAttempt> {
	return BenchAttempt.begin(agent as BenchAgent);
}

/** A file that repeats one part. */
interface RepeatedFile {
	part: Uint8Array;
	partSha256: string;
	sha256: string;
}

/** An agent computes digests before it uploads, so they are not part of the measured time. */
export function randomFile(): RepeatedFile {
	const part = randomBytes(PART_BYTES);
	const whole = createHash("sha256");
	for (let index = 0; index < PARTS; index += 1) whole.update(part);
	return { part, partSha256: createHash("sha256").update(part).digest("hex"), sha256: whole.digest("hex") };
}

/** As an agent sends a file: each part after the answer to the one before. */
export async function upload(target: Target, attempt: BenchAttempt, { part, partSha256, sha256 }: RepeatedFile): Promise<void> {
	const file = { path: NAME, size: BYTES, sha256 };
	const parts = Array.from({ length: PARTS }, () => partSha256);
	const [upload] = (await attempt.startUploads([{ ...file, parts }])).files;
	if (upload?.parts.length !== PARTS) throw new Error(`The coordinator wants ${upload?.parts.length} parts, not ${PARTS}.`);
	for (const { url } of upload.parts) {
		await target.send(url, { method: "PUT", token: null, bytes: part, headers: { "X-Content-SHA256": partSha256 } });
	}
	await attempt.finish([{ ...file, executable: false, key: upload.key }]);
}

/** @returns the milliseconds to the first byte */
async function download(target: Target, jobId: string): Promise<number> {
	const started = performance.now();
	const { body } = await target.open(`/api/v1/jobs/${jobId}/artifacts/${NAME}`, { method: "GET" });
	let bytes = 0;
	let first = 0;
	for await (const chunk of body) {
		if (bytes === 0) first = performance.now() - started;
		bytes += (chunk as Uint8Array).byteLength;
	}
	if (bytes !== BYTES) throw new Error(`The download has ${bytes} bytes, not ${BYTES}.`);
	return first;
}

/** How long an action takes, and meanwhile each probe in turn. */
async function besideProbes(target: Target, action: () => Promise<unknown>): Promise<{ ms: number; probes: Timing[] }> {
	let isOver = false;
	const started = performance.now();
	const acting = action().finally(() => {
		isOver = true;
	});
	const samples: number[][] = PROBES.map(() => []);
	while (!isOver) {
		for (const [index, address] of PROBES.entries()) samples[index]?.push(await elapsed(() => target.get(address)));
	}
	const ms = performance.now() - started;
	await acting;
	return { ms, probes: samples.map((one) => timing(one, ms)) };
}
