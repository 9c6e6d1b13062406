import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { Cgroup } from "../../agent/processes/cgroup.ts";
import { Starter } from "../../agent/processes/starter.ts";
import { temporaryFolder } from "../support/processes.ts";

/** A starter whose control group is a plain folder. */
function prepared(): Starter {
	const [starter] = Starter.prepare([new Cgroup(temporaryFolder())]) as [Starter];
	onTestFinished(() => starter.end());
	return starter;
}

const ENV = { PATH: process.env.PATH ?? "", GREETING: "it's\nhello" };

async function ran(starter: Starter, script: string, cwd = temporaryFolder()): Promise<{ code: number; output: string }> {
	const written: Uint8Array[] = [];
	const running = starter.start(["bash", "-c", script], cwd, ENV, { write: async (bytes) => void written.push(bytes) });
	const code = await running.exited;
	return { code, output: Buffer.concat(written).toString() };
}

describe.runIf(process.platform === "linux")("a shell that starts the first steps of jobs", () => {
	test("joins its group, and starts one step after the other until its pipes are used", async () => {
		const folder = temporaryFolder();
		const [starter] = Starter.prepare([new Cgroup(folder)]) as [Starter];
		onTestFinished(() => starter.end());
		const outputs: string[] = [];
		while (starter.isWaiting) outputs.push((await ran(starter, `echo ${outputs.length}; echo error >&2; exit ${outputs.length}`)).output);
		expect(outputs).toEqual(Array.from({ length: 7 }, (_, number) => `${number}\nerror\n`));
		expect(Number(readFileSync(path.join(folder, "cgroup.procs"), "utf8"))).toBe(starter.cgroup.resident);
		expect(starter.cgroup.pids).toEqual([]);
	});

	test("gives a step its variables and its folder, an empty input, and no other file", async () => {
		const cwd = temporaryFolder();
		// Without a pipe: the shell has its ends open for a moment.
		const files = 'found=; for n in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && found="$found $n"; done; echo $found';
		const { output } = await ran(prepared(), `echo "$GREETING"; pwd; cat; compgen -e | sort | xargs; ${files}`, cwd);
		expect(output).toBe(`it's\nhello\n${cwd}\nGREETING PATH PWD SHLVL\n0 1 2\n`);
	});

	test("reports the exit code, also of a step that a signal ends", async () => {
		const starter = prepared();
		expect((await ran(starter, "exit 7")).code).toBe(7);
		expect((await ran(starter, "kill -TERM $$")).code).toBe(143);
		expect((await ran(starter, "kill -RTMIN $$")).code).toBe(162);
		expect((await ran(starter, "kill -TERM 0; sleep 1")).code).toBe(143);
		expect(starter.isClean).toBe(true);
	});

	test("leaves no signal ignored or blocked", async () => {
		const { output } = await ran(prepared(), "grep -E 'Sig(Ign|Blk)' /proc/self/status | cut -f2 | sort -u");
		expect(output).toBe("0000000000000000\n");
	});

	test("does not wait for the end of a process in the background that keeps the pipe", async () => {
		const file = path.join(temporaryFolder(), "started");
		const starter = prepared();
		const { code, output } = await ran(starter, `sleep 30 & echo $!; touch ${file}`);
		onTestFinished(() => void process.kill(Number(output)));
		expect([code, existsSync(file)]).toEqual([0, true]);
	});

	test("is not for another job when somebody has stopped or ended it", async () => {
		const stopped = prepared();
		await ran(stopped, "{ sleep 0.1; kill -STOP $PPID; } &");
		await expect.poll(() => stopped.isClean).toBe(false);
		const ended = prepared();
		expect((await ran(ended, "kill -KILL $PPID; sleep 30")).code).toBe(137);
		expect(ended.isWaiting).toBe(false);
	});
});
