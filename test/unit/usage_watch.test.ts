import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { UsageWatch } from "../../agent/execution/usage_watch.ts";
import { AttemptProcesses } from "../../agent/processes/attempt_processes.ts";
import { Cgroup } from "../../agent/processes/cgroup.ts";
import { UsageMeter, type UsageReading } from "../../agent/processes/usage_meter.ts";
import { MAX_SAMPLES, usage as shape } from "../../schema/wire/usage.ts";
import { temporaryFolder } from "../support/processes.ts";

describe("the samples of an attempt", () => {
	beforeEach(() => void vi.useFakeTimers());
	afterEach(() => void vi.useRealTimers());

	/** @param readings what was used after so many seconds */
	function watchOf(readings: (seconds: number) => UsageReading): UsageWatch {
		const began = performance.now();
		return new UsageWatch(
			() => readings(Math.round((performance.now() - began) / 1_000)),
			() => 1_000_000,
		);
	}

	test("are differences of what was used, and the memory of each moment", () => {
		const watch = watchOf((n) => ({ cpuMs: n * 500, memory: n === 2 ? 900 : 100, read: n * 10, written: n * n }));
		watch.start();
		vi.advanceTimersByTime(3_000);
		expect(watch.stop()).toEqual({
			...{ began_at: 1_000_000, interval_ms: 1_000, cpu: [500, 500, 500], memory: [100, 900, 100] },
			...{ read: [10, 10, 10], written: [1, 3, 5], peak_memory: 900 },
		});
	});

	test("are none for a short attempt, which is not read at all in its first second", () => {
		const read = vi.fn(() => ({ cpuMs: 0, memory: 0, read: 0, written: 0 }));
		const watch = new UsageWatch(read, () => 0);
		watch.start();
		vi.advanceTimersByTime(900);
		expect([watch.stop(), read.mock.calls.length]).toEqual([null, 0]);
	});

	test("are none where nothing can be measured", () => {
		const read = vi.fn(() => null);
		const watch = new UsageWatch(read, () => 0);
		watch.start();
		vi.advanceTimersByTime(10_000);
		expect([watch.stop(), read.mock.calls.length]).toEqual([null, 1]);
	});

	test("get longer, not more, in a long attempt: sums stay, and a peak stays", () => {
		const watch = watchOf((n) => ({ cpuMs: n * 1_000, memory: n === 77 ? 5_000 : 10, read: n, written: 0 }));
		watch.start();
		vi.advanceTimersByTime(300_000);
		const usage = shape.parse(watch.stop());
		expect(usage.cpu.length).toBeLessThan(MAX_SAMPLES);
		expect(usage.interval_ms).toBe(4_000);
		expect(usage.cpu.every((one) => one === 1_000)).toBe(true);
		expect(usage.read.reduce((sum, one) => sum + one, 0)).toBe(usage.cpu.length * 4);
		expect([Math.max(...usage.memory), usage.peak_memory]).toEqual([5_000, 5_000]);
	});
});

describe("the meter of an attempt with a control group", () => {
	/** The kernel's files of a group: https://docs.kernel.org/admin-guide/cgroup-v2.html */
	function groupWith(files: Record<string, string>): { cgroup: Cgroup; change(file: string, text: string): void } {
		const folder = temporaryFolder();
		const change = (file: string, text: string) => writeFileSync(path.join(folder, file), text);
		for (const [file, text] of Object.entries({ "cgroup.procs": "", ...files })) change(file, text);
		return { cgroup: new Cgroup(folder), change };
	}

	test("takes what the group counts since the attempt began, over all disks", () => {
		const { cgroup, change } = groupWith({
			"cpu.stat": "usage_usec 2000000\nuser_usec 1500000\n",
			"io.stat": "8:0 rbytes=100 wbytes=10 rios=5 wios=1 dbytes=0 dios=0\n",
		});
		const meter = new UsageMeter({ knownPids: () => [], cgroup });
		change("cpu.stat", "usage_usec 3250000\nuser_usec 1500000\n");
		change("io.stat", "8:0 rbytes=150 wbytes=10 rios=9 wios=1 dbytes=7 dios=1\n8:16 rbytes=5 wbytes=90 rios=1 wios=1\n");
		expect(meter.read()).toEqual({ cpuMs: 1_250, memory: 0, read: 55, written: 90 });
	});

	test("understands the CPU time of cgroup v1, in nanoseconds", () => {
		const { cgroup } = groupWith({ "cpuacct.usage": "1500000000\n" });
		const meter = new UsageMeter({ knownPids: () => [], cgroup }, { cpuMs: 0, read: 0, written: 0 });
		expect(meter.read()).toMatchObject({ cpuMs: 1_500, read: 0, written: 0 });
	});
});

describe("the meter of an attempt without a control group", () => {
	test("measures the CPU time and the memory of a real process and its children", async () => {
		const processes = AttemptProcesses.begin("att_meter", temporaryFolder(), null);
		const meter = new UsageMeter(processes);
		const child = spawn("bash", ["-c", "bash -c 'while :; do :; done' & wait"], { detached: true });
		processes.add(child.pid as number);
		await vi.waitFor(() => expect(meter.read().cpuMs).toBeGreaterThan(50), { timeout: 10_000 });
		expect(meter.read().memory).toBeGreaterThan(1_000_000);
		process.kill(-(child.pid as number), "SIGKILL");
		await new Promise((resolve) => child.once("close", resolve));
		const after = meter.read();
		// What an ended process has used still counts; its memory is free.
		expect([after.cpuMs > 0, after.memory]).toEqual([true, 0]);
	});
});
