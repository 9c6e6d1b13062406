import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { MIB } from "../../schema/wire/limits.ts";
import * as resources from "../../schema/wire/resources.ts";
import {
	ADMIN_TOKEN,
	eventually,
	isMemoryTold,
	Program,
	residentMib,
	TestCoordinator,
	temporaryFolder,
	workerdsOf,
} from "../support/processes.ts";
import { ProtocolAgent, result } from "../support/protocol_agent.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

const cleanups: (() => void | Promise<void>)[] = [];
let coordinator: TestCoordinator;
let agent: Program;
beforeAll(async () => {
	coordinator = await TestCoordinator.start({ atEnd: (clean) => void cleanups.push(clean), environment: { WINDLASS_LOG_LIMIT: "16MiB" } });
	agent = await coordinator.agent("writer", { slots: "2" });
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

async function finished(steps: string[], at = coordinator): Promise<resources.Job> {
	const { id } = await at.post<resources.Run>("/api/v1/runs", { pipeline: { steps } });
	const run = resources.run.parse(await at.get(`/api/v1/runs/${id}/wait?timeout=80`));
	const job = run.jobs[0] as resources.Job;
	// The end of the job and the end of its log are two things.
	await eventually(async () => (await at.get<resources.Job>(`/api/v1/jobs/${job.id}`)).attempts[0]?.log.sha256, "the archived log");
	return at.get(`/api/v1/jobs/${job.id}`);
}

async function bytesOf(job: { id: string }, query = "", at = coordinator): Promise<Buffer> {
	const response = await at.request(`/api/v1/jobs/${job.id}/log${query}`);
	expect(response.status).toBe(200);
	return Buffer.from(await response.arrayBuffer());
}

/** What the job wrote: the log without its times and the agent's own lines. */
async function outputOf(job: { id: string }): Promise<string[]> {
	const lines = (await bytesOf(job, "?format=raw")).toString().split("\n");
	return lines.filter((line) => !line.startsWith(":: ")).slice(0, -1);
}

describe("what a job writes is what is kept", () => {
	test("twenty writers at once: every line whole, and once", async () => {
		const job = await finished(["for w in $(seq 20); do (for i in $(seq 100); do echo writer $w line $i; done) & done; wait"]);
		const expected = Array.from({ length: 20 }, (_, w) => Array.from({ length: 100 }, (_, i) => `writer ${w + 1} line ${i + 1}`)).flat();
		expect((await outputOf(job)).sort()).toEqual(expected.sort());
	});

	test("a last line without a newline gets one, and the next step a line of its own", async () => {
		const job = await finished(["printf open", "printf end"]);
		expect((await bytesOf(job, "?format=raw")).toString()).toMatch(/:: printf open\nopen\n:: printf end\nend\n$/);
		const steps = job.steps.map(({ name, log_line, log_offset }) => [name, log_line, log_offset]);
		const lines = (await bytesOf(job)).toString().split("\n");
		for (const [name, line] of steps) expect(lines[line as number]).toMatch(new RegExp(`:: ${name}$`));
		for (const [name, , offset] of steps)
			expect((await bytesOf(job)).subarray(offset as number).toString()).toMatch(new RegExp(`^\\S+ :: ${name}\n`));
	});
});

describe("terminal sequences in what a job writes", () => {
	test("are no text for format=clean, the search, the page and the reason of the job", async () => {
		const job = await finished(["printf '\\033(B\\033[mpl\\033[1main\\302\\233m \\033]8;;http://x\\033\\\\link\\n'"]);
		expect((await bytesOf(job, "?format=clean")).toString()).toMatch(/\nplain link\n$/);
		const { items } = await coordinator.get<resources.LogMatches>(`/api/v1/jobs/${job.id}/log/search?q=plain+link`);
		expect(items.map(({ text }) => text)).toEqual(["plain link"]);
		const page = await (await coordinator.request(`/jobs/${job.id}`)).text();
		expect(page).toContain('<span>pl<span class="bold">ain</span> link</span>');
		const step = { run: "true", working_directory: "no\u001b(B\u001b[1mwhere" };
		const { id } = await coordinator.post<resources.Run>("/api/v1/runs", { pipeline: { steps: [step] } });
		const run = await coordinator.get<resources.Run>(`/api/v1/runs/${id}/wait?timeout=60`);
		expect(run.jobs[0]?.reason?.text).toBe("The working directory nowhere does not exist in the workspace. Create it in an earlier step.");
	});
});

describe("a log that is longer than it may be", () => {
	test("keeps its first three quarters and its last, with a notice between, and steps are found in both", async () => {
		const job = await finished(["seq -f 'early %08.0f' 1000000", "echo the last step"]);
		const log = await bytesOf(job);
		expect(log.byteLength).toBeLessThanOrEqual(16 * MIB);
		expect(log.byteLength).toBeGreaterThan(15 * MIB);
		const { sha256, incomplete } = (job.attempts[0] as resources.Attempt).log;
		expect([createHash("sha256").update(log).digest("hex"), incomplete]).toEqual([sha256, true]);
		const lines = log.toString().trimEnd().split("\n");
		const notice = lines.findIndex((line) => / :: \S+ MiB are left out here: the log is longer than 16 MiB$/.test(line));
		expect(notice / lines.length).toBeCloseTo(0.75, 1);
		for (const line of lines) expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /);
		expect(lines.slice(-3).map((line) => line.slice(25))).toEqual(["early 01000000", ":: echo the last step", "the last step"]);
		const numbers = lines.flatMap((line) => /^\S+ early (\d+)$/.exec(line)?.[1] ?? []).map(Number);
		// Line by line, but for the one gap and the line that it cuts.
		expect(numbers.filter((number, index) => index > 0 && number !== (numbers[index - 1] as number) + 1)).toHaveLength(1);
		const last = job.steps.at(-1) as resources.Step;
		expect(lines[last.log_line as number]).toMatch(/:: echo the last step$/);
		const block = await coordinator.get<resources.LogLines>(`/api/v1/jobs/${job.id}/log/lines?from=${last.log_line}&count=5`);
		expect(block.lines.map((line) => line.slice(25))).toEqual([":: echo the last step", "the last step"]);
	});

	test("a gigabyte without a newline costs neither the agent nor the coordinator memory", async () => {
		const [workerd = 0] = workerdsOf(coordinator.data);
		const before = residentMib(workerd) + residentMib(agent.pid);
		let most = 0;
		const watch = setInterval(() => {
			most = Math.max(most, residentMib(workerd) + residentMib(agent.pid));
		}, 100);
		const job = await finished(["head -c 1000000000 /dev/zero | tr '\\0' x"]);
		clearInterval(watch);
		if (isMemoryTold) expect(most - before).toBeLessThan(300);
		const log = await bytesOf(job);
		expect(log.byteLength).toBeLessThanOrEqual(16 * MIB);
		expect(log.toString()).toMatch(/x\n\S+ :: 9\d\d MiB are left out here: the log is longer than 16 MiB\n\S+Z x+\n$/);
		const [line] = (await coordinator.get<resources.LogLines>(`/api/v1/jobs/${job.id}/log/lines?from=-1`)).lines;
		expect(line).toMatch(/^\S+Z x+ … \(\d+ more bytes in this line\)$/);
		expect(await (await coordinator.request(`/jobs/${job.id}`)).text()).toContain("more bytes in this line");
	});
});

/** Follows a log by server-sent events; every line that comes is given to `onLine`, with the id of its event. */
function follow(
	jobId: string,
	lastId: string | null,
	onLine: (line: string, id: string) => void,
	onPartial: (line: string) => void = () => undefined,
): { ended: Promise<void>; cut(): void; pause(): void; resume(): void } {
	let cut: () => void = () => undefined;
	let stream: import("node:http").IncomingMessage | null = null;
	const ended = new Promise<void>((resolve, reject) => {
		const headers = {
			Authorization: `Bearer ${ADMIN_TOKEN}`,
			Accept: "text/event-stream",
			...(lastId === null ? {} : { "Last-Event-ID": lastId }),
		};
		const call = request(new URL(`/api/v1/jobs/${jobId}/log?attempt=1`, coordinator.url), { headers, agent: false }, (response) => {
			stream = response;
			let rest = "";
			response.setEncoding("utf8");
			response.on("data", (chunk: string) => {
				const events = (rest + chunk).split("\n\n");
				rest = events.pop() ?? "";
				for (const event of events) {
					const id = /^id: (\S+)$/m.exec(event)?.[1] ?? "";
					if (/^event: partial$/m.test(event)) onPartial(/^data: (.*)$/m.exec(event)?.[1] ?? "");
					else if (/^event: end$/m.test(event)) resolve();
					else for (const [, line = ""] of event.matchAll(/^data: (.*)$/gm)) onLine(line, id);
				}
			});
			response.on("close", resolve);
			response.on("error", () => resolve());
		});
		call.on("error", reject);
		call.end();
		cut = () => call.destroy();
	});
	return { ended, cut: () => cut(), pause: () => void stream?.pause(), resume: () => void stream?.resume() };
}

describe("a log that cannot be kept", () => {
	test("because its files are gone ends the job as errored, and the reason says so", async () => {
		const log = '"$CI_WORKSPACE/../log"';
		// A small log needs no files.
		const lose = `seq 20000; until [ -e ${log}/head/1 ]; do sleep 0.01; done; rm -rf ${log}; echo lost`;
		const { id } = await coordinator.post<resources.Run>("/api/v1/runs", { run: lose });
		const { jobs } = resources.run.parse(await coordinator.get(`/api/v1/runs/${id}/wait?timeout=60`));
		expect(jobs[0]).toMatchObject({ state: "errored", reason: { code: "log_lost", text: expect.stringContaining("ENOENT") } });
	});
});

describe("an agent whose clock is wrong, and is put right while a job runs", () => {
	test("shows the times of steps and lines by the coordinator's clock; durations, order and time-outs are right", async () => {
		const clock = path.join(temporaryFolder(), "clock");
		writeFileSync(clock, "-7m");
		await coordinator.agent("behind", {
			args: ["--labels", "behind"],
			environment: {
				LD_PRELOAD: "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
				FAKETIME_TIMESTAMP_FILE: clock,
				FAKETIME_NO_CACHE: "1",
				FAKETIME_DONT_FAKE_MONOTONIC: "1",
			},
		});
		const { id } = await coordinator.post<resources.Run>("/api/v1/runs", {
			pipeline: {
				jobs: {
					late: {
						runs_on: ["behind"],
						steps: [`echo one; echo +1h > ${clock}; sleep 2; echo two`, { name: "slow", run: "echo three; sleep 60", timeout: "1s" }],
					},
				},
			},
		});
		const run = resources.run.parse(await coordinator.get(`/api/v1/runs/${id}/wait?timeout=60`));
		const [job] = run.jobs as [resources.Job];
		const [attempt] = job.attempts as [resources.Attempt];
		expect(job.state).toBe("timed_out");
		const lines = await eventually(async () => {
			const all = (await bytesOf(job)).toString().trimEnd().split("\n");
			return all.some((line) => line.includes("ran longer than")) && all;
		}, "the whole log");
		const stampOf = (text: string) => lines.find((line) => line.slice(25) === text)?.slice(0, 24);
		const [first, second] = job.steps as [resources.Step, resources.Step];
		const times = [attempt.started_at, first.started_at, stampOf("one"), stampOf("two"), first.finished_at];
		times.push(second.started_at, stampOf("three"), second.finished_at, attempt.finished_at);
		const ms = times.map((time) => Date.parse(time ?? ""));
		expect(ms).toEqual([...ms].sort((a, b) => a - b));
		const between = (from: number, to: number) => (ms[to] as number) - (ms[from] as number);
		// A line has the time at which the agent read it, which a busy machine delays.
		expect(between(2, 3)).toBeGreaterThanOrEqual(1_500);
		expect(between(5, 7)).toBeGreaterThanOrEqual(990);
		expect(between(0, 8)).toBeLessThan(30_000);
		expect(lines.map((line) => line.slice(0, 24))).toEqual(lines.map((line) => line.slice(0, 24)).sort());
	});
});

/** Reads a text as it comes. */
function reading(address: string): { soFar(): string; bytes: Promise<Buffer> } {
	const chunks: Buffer[] = [];
	const read = async () => {
		const { body } = await coordinator.request(address);
		for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) chunks.push(Buffer.from(chunk));
		return Buffer.concat(chunks);
	};
	return { bytes: read(), soFar: () => Buffer.concat(chunks).toString() };
}

describe("text without a newline", () => {
	test("is sent while the line goes on: as events, as the text of a job and of a run, and by the commands, byte for byte", async () => {
		const sign = path.join(temporaryFolder(), "go");
		const wait = (name: string) => `while [ ! -e ${sign}.${name} ]; do sleep 0.02; done`;
		const { id, jobs } = await coordinator.post<resources.Run>("/api/v1/runs", {
			run: `printf 'progress 1\\r'; ${wait("2")}; printf 'progress 2\\r\\377'; ${wait("end")}; printf '\\033[32mName? '`,
		});
		const jobId = (jobs[0] as resources.Job).id;
		await eventually(async () => (await coordinator.get<resources.Job>(`/api/v1/jobs/${jobId}`)).attempt === 1, "the attempt");
		const partial: string[] = [];
		const lines: string[] = [];
		const events = follow(
			jobId,
			null,
			(line) => lines.push(line.slice(25)),
			(line) => partial.push(line.slice(25)),
		);
		const ofJob = reading(`/api/v1/jobs/${jobId}/log?follow=1&format=raw`);
		const ofRun = reading(`/api/v1/runs/${id}/log`);
		const account = { WINDLASS_SERVER: coordinator.url, WINDLASS_API_TOKEN: ADMIN_TOKEN, NO_COLOR: "1" };
		const commands = [jobId, id].map((followed) => new Program(["logs", "-f", followed], account));
		const inText = (text: string) =>
			[ofJob.soFar(), ofRun.soFar(), ...commands.map(({ output }) => output)].every((all) => all.endsWith(text));
		await eventually(() => partial.includes("progress 1") && inText("progress 1\r"), "the first part");
		writeFileSync(`${sign}.2`, "");
		const writtenAt = performance.now();
		await eventually(() => partial.includes("\ufffd") && inText("progress 2\r\ufffd"), "the second part");
		expect(performance.now() - writtenAt).toBeLessThan(1_500);
		expect(lines.filter((line) => !line.startsWith(":: "))).toEqual([]);
		writeFileSync(`${sign}.end`, "");
		await events.ended;
		const raw = await ofJob.bytes;
		expect(lines.at(-1)).toBe("progress 1progress 2\ufffd\u001b[32mName? ");
		expect(raw.subarray(-35).toString("latin1")).toBe("progress 1\rprogress 2\r\u00ff\u001b[32mName? \n");
		const run = await ofRun.bytes;
		const start = run.indexOf("\n") + 1;
		expect(run.subarray(start, start + raw.byteLength)).toEqual(raw);
		expect(run.subarray(start + raw.byteLength).toString()).toBe("::exit 0\n");
		for (const command of commands) {
			expect(await command.exited).toBe(0);
			expect(command.output).toContain("\nprogress 1\rprogress 2\r\ufffdName? \n");
		}
	});

	test("of one of several jobs waits for its end; a very long line is not broken up, nor one of another job put into it", async () => {
		const { id } = await coordinator.post<resources.Run>("/api/v1/runs", {
			pipeline: {
				jobs: {
					long: { steps: ["head -c 600000 /dev/zero | tr '\\0' x; echo; printf end"] },
					many: { steps: ["for i in $(seq 300); do echo line $i; done"] },
				},
			},
		});
		const text = (await reading(`/api/v1/runs/${id}/log`).bytes).toString();
		const of = (job: string) => text.split("\n").filter((line) => line.startsWith(`${job} | `) && !line.startsWith(`${job} | :: `));
		expect(of("long")).toEqual([`long | ${"x".repeat(600_000)}`, "long | end"]);
		expect(of("many")).toEqual(Array.from({ length: 300 }, (_, index) => `many | line ${index + 1}`));
	});
});

describe("those who read along", () => {
	test("one whose stream is cut goes on where it was, without a gap and without a repeat", async () => {
		const { jobs } = await coordinator.post<resources.Run>("/api/v1/runs", {
			run: "for i in $(seq 400); do echo line $i; sleep 0.01; done",
		});
		const jobId = (jobs[0] as resources.Job).id;
		await eventually(async () => (await coordinator.get<resources.Job>(`/api/v1/jobs/${jobId}`)).attempt === 1, "the attempt");
		const lines: string[] = [];
		let lastId: string | null = null;
		for (const until of [50, 120, 300, Number.POSITIVE_INFINITY]) {
			const reader = follow(jobId, lastId, (line, id) => {
				lines.push(line.slice(25));
				lastId = id;
				// Only whole events are noted: the id stands before the lines it covers.
				if (lines.length >= until) queueMicrotask(() => reader.cut());
			});
			await reader.ended;
		}
		expect(lines.filter((line) => line.startsWith("line"))).toEqual(Array.from({ length: 400 }, (_, index) => `line ${index + 1}`));
	});

	test("two hundred at once, one of them slow, all get all of it; memory stays bounded", async () => {
		const [workerd = 0] = workerdsOf(coordinator.data);
		const protocol = await ProtocolAgent.join(coordinator.url, await coordinator.registrationToken(), "crowd");
		const { jobs } = await coordinator.post<resources.Run>("/api/v1/runs", { run: "true", runs_on: ["crowd"] });
		const jobId = (jobs[0] as resources.Job).id;
		const offer = await protocol.nextOffer();
		await protocol.start(offer);
		let seq = 0;
		const renewing = setInterval(() => {
			seq += 1;
			void protocol.say("POST", "/api/v1/agents/self/renew", { session: 1, seq, running: [offer.attempt_id] });
		}, 1_000);
		onTestFinished(() => clearInterval(renewing));
		const piece = Array.from({ length: 1_000 }, (_, index) => `2026-01-02T03:04:05.678Z ${String(index).padStart(60, "-")}\n`).join("");
		const total = 20 * 1_000;
		const counts = Array.from({ length: 200 }, () => 0);
		const readers = counts.map((_, index) =>
			follow(jobId, null, () => {
				counts[index] = (counts[index] ?? 0) + 1;
			}),
		);
		await protocol.log(offer, 0, piece);
		await eventually(() => counts.every((count) => count === 1_000), "all of them reading", 30_000);
		const before = residentMib(workerd);
		readers[0]?.pause();
		for (let index = 1; index < 20; index += 1) expect((await protocol.log(offer, index * piece.length, piece)).status).toBe(204);
		const behind = () => counts.slice(1).filter((count) => count < total);
		await eventually(() => behind().length === 0, "the end, for all but the slow one", 60_000).catch((error) => {
			throw new Error(`${error.message}: ${behind().length} of them are behind, at ${behind().slice(0, 5)}`);
		});
		expect(counts[0]).toBeLessThan(total);
		readers[0]?.resume();
		await protocol.attempt(offer, "POST", "finish", result({ log: { bytes: 20 * piece.length, sha256: null, incomplete: false } }));
		await Promise.all(readers.map(({ ended }) => ended));
		expect(counts).toEqual(counts.map(() => total));
		if (isMemoryTold) expect(residentMib(workerd) - before).toBeLessThan(300);
	});
});

describe("a coordinator that is away while a job writes", () => {
	/** Stops everything of the coordinator for as long as `work` takes: nothing is refused, nothing is answered. */
	async function suspended(at: TestCoordinator, work: () => Promise<void>): Promise<void> {
		const pids = [at.program.pid, ...workerdsOf(at.data)];
		for (const pid of pids) process.kill(pid, "SIGSTOP");
		try {
			await work();
		} finally {
			for (const pid of pids) process.kill(pid, "SIGCONT");
		}
	}

	test("the spool is bounded: the oldest unsent output goes, with a notice; the result is delivered", async () => {
		const at = await borrowCoordinator();
		const workDir = path.join(temporaryFolder(), "agent");
		await at.agent("bounded", { args: ["--spool-limit", "2MiB"], workDir });
		const sign = path.join(temporaryFolder(), "go");
		const { jobs } = await at.post<resources.Run>("/api/v1/runs", {
			run: `echo before; while [ ! -e ${sign}.go ]; do sleep 0.05; done; seq -f 'much %g' 500000; echo after; touch ${sign}.done; sleep 1; echo end`,
		});
		const jobId = (jobs[0] as resources.Job).id;
		await eventually(async () => (await at.text(`/api/v1/jobs/${jobId}/log`)).includes("before"), "the first line");
		await suspended(at, async () => {
			const { execFileSync } = await import("node:child_process");
			execFileSync("touch", [`${sign}.go`]);
			await eventually(() => readable(`${sign}.done`), "all of the output", 8_000);
			const used = Number(execFileSync("du", ["-sk", workDir], { encoding: "utf8" }).split("\t")[0]);
			expect(used).toBeLessThan(6 * 1024);
		});
		const job = await eventually(async () => {
			const found = await at.get<resources.Job>(`/api/v1/jobs/${jobId}`);
			return found.finished_at !== null && found.attempts[0]?.log.sha256 ? found : null;
		}, "the end");
		expect([job.state, job.attempts.length, job.attempts[0]?.log.incomplete]).toEqual(["succeeded", 1, true]);
		const text = (await bytesOf(job, "?format=raw", at)).toString();
		expect(text).toMatch(/before\n/);
		expect(text).toMatch(/:: \S+ (MiB|KiB) are left out here: the coordinator could not be reached, and there was no more room for logs\n/);
		expect(text).toMatch(/\nend\n$/);
	});
});

function readable(file: string): boolean {
	try {
		readFileSync(file);
		return true;
	} catch {
		return false;
	}
}
