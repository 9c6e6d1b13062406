import { once } from "node:events";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MAX_LOG_CHUNK_BYTES, MIB } from "../schema/wire/limits.ts";
import type { Job } from "../schema/wire/resources.ts";
import { type BenchAgent, BenchAttempt, joinAgents } from "./agent.ts";
import { byteFloors, trivialRequest } from "./floors.ts";
import { watchMemory } from "./memory.ts";
import type { Part } from "./part.ts";
import { bytesRow, IS_FLOOR, latencyRow, shareOf, timesFloor, timingRow } from "./table.ts";
import { onTarget, type Target } from "./target.ts";
import { elapsed, type Timing, timing } from "./timing.ts";

/** Twice the number of shards, so that chance leaves few of them idle. */
const ATTEMPTS = 8;
const CHUNKS = 16;
const BYTES = ATTEMPTS * CHUNKS * MAX_LOG_CHUNK_BYTES;
const SIZE = `${BYTES / MIB} MiB`;
const LINES = 500;
const WARM_UP_LINES = 20;
const CHECK_MS = 20;

/** How fast logs come in, and how soon a follower sees a line. */
export const logs: Part = {
	title: "Logs",
	measure: (folder) =>
		onTarget(path.join(folder, "data"), ["--no-agent"], async (target) => {
			const floor = await trivialRequest(target);
			const bytesFloor = await byteFloors(folder, BYTES);
			const { agents } = await joinAgents(target, "logs", ATTEMPTS);
			const lines = await followedLines(target, agents[0] as BenchAgent);
			const attempts = await Promise.all(agents.map((agent) => BenchAttempt.begin(agent)));
			const ingested = await watchMemory(target, "log ingest", () => ingest(attempts));
			const archived = await watchMemory(target, "archiving of logs", () => elapsed(() => archive(target, attempts)));
			const { total, patches } = ingested.value;
			const whole = total + archived.value;
			const rows = [
				timingRow("GET /healthz, one at a time", floor, IS_FLOOR),
				latencyRow("PATCH of a line → its follower has it (SSE)", lines, timesFloor(lines, floor)),
				bytesRow(`cat of ${SIZE} through a pipe`, BYTES, bytesFloor.pipe, IS_FLOOR),
				bytesRow(`cp and fsync of a file of ${SIZE}`, BYTES, bytesFloor.copy, IS_FLOOR),
				bytesRow(`ingest of ${SIZE}, by ${ATTEMPTS} attempts at once`, BYTES, total, shareOf(total, bytesFloor.copy, "cp")),
				latencyRow("  of it one PATCH of 1 MiB", patches, timesFloor(patches, floor)),
				bytesRow("finish → all logs are archived", BYTES, archived.value, shareOf(archived.value, bytesFloor.copy, "cp")),
				bytesRow("ingest until all logs are archived", BYTES, whole, shareOf(whole, bytesFloor.copy, "cp")),
			];
			return { rows, memory: [...ingested.memory, ...archived.memory] };
		}),
};

/**
 * Every attempt writes its log as an agent with a backlog does: whole chunks, each after the answer
 * to the previous one.
 */
async function ingest(attempts: readonly BenchAttempt[]): Promise<{ total: number; patches: Timing }> {
	const chunk = chunkOfLines();
	const samples: number[] = [];
	const write = async (attempt: BenchAttempt) => {
		for (let index = 0; index < CHUNKS; index += 1) samples.push(await elapsed(() => attempt.appendLog(chunk)));
	};
	const total = await elapsed(() => Promise.all(attempts.map(write)));
	return { total, patches: timing(samples, total) };
}

/** A full chunk of lines of about a hundred characters, each with its time stamp. */
function chunkOfLines(): Uint8Array {
	const line = `2026-01-01T00:00:00.000Z ${"a line as a compiler may write it, ".repeat(3)}\n`;
	return Buffer.alloc(MAX_LOG_CHUNK_BYTES, line);
}

/** Ends all attempts and waits until their logs are archived: only then their digests are known. */
async function archive(target: Target, attempts: readonly BenchAttempt[]): Promise<void> {
	await Promise.all(attempts.map((attempt) => attempt.finish()));
	for (const { jobId } of attempts) {
		while ((await target.get<Job>(`/api/v1/jobs/${jobId}`)).attempts[0]?.log.sha256 === null) await sleep(CHECK_MS);
	}
}

/** The time from sending a line to its arrival at a follower of the log: one at a time. */
async function followedLines(target: Target, agent: BenchAgent): Promise<Timing> {
	const attempt = await BenchAttempt.begin(agent);
	const { body } = await target.open(`/api/v1/jobs/${attempt.jobId}/log`, { method: "GET", headers: { Accept: "text/event-stream" } });
	let seen = "";
	let onSeen = () => {};
	body.setEncoding("utf8").on("data", (text: string) => {
		seen += text;
		onSeen();
	});
	const appears = (mark: string) =>
		new Promise<void>((resolve) => {
			onSeen = () => {
				if (!seen.includes(`${mark}\n`)) return;
				seen = "";
				resolve();
			};
		});
	const samples: number[] = [];
	const started = performance.now();
	for (let index = -WARM_UP_LINES; index < LINES; index += 1) {
		const mark = `line ${index}`;
		const appeared = appears(mark);
		const before = performance.now();
		const appended = attempt.appendLog(Buffer.from(`2026-01-01T00:00:00.000Z ${mark}\n`));
		await appeared;
		if (index >= 0) samples.push(performance.now() - before);
		await appended;
	}
	const measured = timing(samples, performance.now() - started);
	const ended = once(body, "end");
	await attempt.finish();
	await ended;
	return measured;
}
