import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as resources from "../../schema/wire/resources.ts";
import { eventually, processesWith, type TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** What steps do with each other: conditions, retries, groups, files for later steps, and `finally`. */

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
beforeAll(async () => {
	coordinator = await borrowCoordinator(atEnd);
	await coordinator.agent("worker", { slots: "6" });
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

const submit = (job: object, more: object = {}) =>
	coordinator.post<resources.Run>("/api/v1/runs", { pipeline: { jobs: { a: job } }, ...more });
const jobOf = async ({ id }: { id: string }) => {
	const run = resources.run.parse(await coordinator.get(`/api/v1/runs/${id}/wait?timeout=80`));
	const job = run.jobs[0] as resources.Job;
	return { run, job, log: await coordinator.text(`/api/v1/jobs/${job.id}/log?format=clean`) };
};
const done = async (job: object, more: object = {}) => jobOf(await submit(job, more));
const statesOf = (job: resources.Job) => Object.fromEntries(job.steps.map(({ name, state }) => [name, state]));

describe("a condition of a step", () => {
	test("sees the results and the outputs of the steps before it, and the values of the job", async () => {
		const { job, log } = await done({
			matrix: { os: ["x"] },
			steps: [
				{ id: "version", name: "version", run: "echo v=1.2 >> $CI_OUTPUT; echo odd-name=yes >> $CI_OUTPUT" },
				{ id: "lint", name: "lint", run: "exit 3", continue_on_error: true },
				{
					name: "yes",
					run: "echo the version is $V",
					env: { V: "${{ steps.version.outputs.v }}" },
					if: 'steps.version.outputs.v == "1.2"',
				},
				{ name: "odd", run: "true", if: 'steps.version.outputs["odd-name"] == "yes" && steps.version.outputs.never == ""' },
				{ name: "after lint", run: "true", if: 'steps.lint.result == "failed" && matrix.os == "x" && run.event == "api"' },
				{ name: "no", run: "true", if: 'steps.lint.result == "succeeded"' },
				{ id: "left", name: "left out", run: "true", if: "false" },
				{ name: "after it", run: "true", if: 'steps.left.result == "skipped"' },
			],
		});
		expect(job.state).toBe("succeeded");
		const ran = ["version", "yes", "odd", "after lint", "after it"].map((name) => [name, "succeeded"]);
		expect(statesOf(job)).toEqual({ ...Object.fromEntries(ran), lint: "failed", no: "skipped", "left out": "skipped" });
		expect(log).toContain("the version is 1.2\n");
		expect(log).toContain(':: skip no: its condition is false: steps.lint.result == "succeeded"\n');
		expect(log).toContain(":: the job goes on: lint may fail (continue_on_error)\n");
		expect(log).not.toContain("is left out: the job does not declare it");
	});

	test("that asks for the status runs after a failure, and the job stays failed", async () => {
		const { job } = await done({
			steps: [
				{ name: "fails", run: "exit 4" },
				{ name: "not reached", run: "true" },
				{ name: "plain condition", run: "true", if: 'run.event == "api"' },
				{ name: "on failure", run: "true", if: "failure() && !cancelled()" },
				{ name: "on success", run: "true", if: "success()" },
				{ name: "always", run: "exit 5", if: "always()" },
			],
		});
		expect([job.state, job.exit_code, job.reason?.text]).toEqual(["failed", 4, 'The step "fails" failed with exit code 4.']);
		expect(statesOf(job)).toEqual({
			...{ fails: "failed", "not reached": "skipped", "plain condition": "skipped" },
			...{ "on failure": "succeeded", "on success": "skipped", always: "failed" },
		});
	});

	test("that cannot be evaluated fails its step with the reason", async () => {
		const { job } = await done({
			steps: [
				{ id: "a", run: "echo n=x >> $CI_OUTPUT" },
				{ run: "true", if: "int(steps.a.outputs.n) > 1" },
			],
		});
		expect([job.state, job.reason?.code]).toEqual(["failed", "config_invalid"]);
		expect(job.reason?.text).toContain("int(steps.a.outputs.n) > 1");
	});
});

describe("retry", () => {
	test("tries a step again until it succeeds, and says so in the log", async () => {
		const flaky = "n=$(cat n 2>/dev/null || echo 0); echo $((n+1)) > n; test $n -ge 2";
		const { job, log } = await done({ steps: [{ name: "flaky", run: flaky, retry: { attempts: 3, delay: "100ms" } }] });
		expect(job.state).toBe("succeeded");
		expect(log.match(/:: attempt \d of 3 follows in 100ms/g)).toEqual([
			":: attempt 2 of 3 follows in 100ms",
			":: attempt 3 of 3 follows in 100ms",
		]);
	});

	test("gives up after its attempts, and does not outlive a cancel", async () => {
		const { job, log } = await done({ steps: [{ name: "flaky", run: "exit 1", retry: 2 }] });
		expect([job.state, log.match(/:: attempt/g)?.length]).toEqual(["failed", 1]);
		const run = await submit({ steps: [{ run: "echo tried; exit 1", retry: { attempts: 5, delay: "10m" } }] });
		await eventually(async () => (await coordinator.text(`/api/v1/jobs/${run.jobs[0]?.id}/log`)).includes("follows"), "a failed attempt");
		await coordinator.post(`/api/v1/runs/${run.id}/cancel`, {});
		expect((await jobOf(run)).job.state).toBe("cancelled");
	});

	test("of a step that ran too long ends what it started, and nothing of the steps before", async () => {
		const { job, log } = await done({
			steps: [
				"sleep 300 & echo $! > background",
				{ name: "slow", run: "setsid sleep 301 & sleep 302", timeout: "1s", continue_on_error: true },
				"kill -0 $(cat background) && echo the background lives",
				"pgrep -f 'sleep 30[12]' > left || true; cat left",
			],
		});
		expect([job.state, statesOf(job).slow]).toEqual(["succeeded", "timed_out"]);
		expect(log).toContain("the background lives\n");
		expect(log.split("cat left\n").at(-1)).not.toMatch(/^\d/m);
	});
});

describe("a parallel group", () => {
	test("runs its steps at the same time, with a name before each line, and takes over what they wrote", async () => {
		// Each of the two waits for the other's file.
		const meet = (own: string, other: string) =>
			`touch ${own}; for i in $(seq 200); do test -e ${other} && break; sleep 0.05; done; test -e ${other}`;
		const { job, log } = await done({
			outputs: ["x", "y"],
			steps: [
				{
					parallel: [
						{ id: "one", run: `${meet("a", "b")}; echo x=1 >> $CI_OUTPUT; echo A=1 >> $CI_ENV; printf 'no end'` },
						{ name: "a name that is rather long", run: `${meet("b", "a")}; echo y=2 >> $CI_OUTPUT; echo B=2 >> $CI_ENV; echo two` },
					],
				},
				{ run: "echo $A$B ${X}", env: { X: "${{ steps.one.outputs.x }}" } },
			],
		});
		expect([job.state, job.outputs]).toEqual(["succeeded", { x: "1", y: "2" }]);
		expect(log).toContain("[one] no end\n");
		expect(log).toContain("[a name that is rath…] two\n");
		expect(log).toContain("12 1\n");
		const [first, second] = job.steps;
		expect(first?.log_line).toBe(second?.log_line);
	});

	test("fails with its first failure after all have ended, and hides secrets in each line", async () => {
		const value = "a-secret-of-parallel-steps";
		await coordinator.request("/api/v1/secrets/in_parallel", { method: "PUT", body: JSON.stringify({ value }) });
		const half = value.length / 2;
		const { job, log } = await done({
			secrets: { S: "in_parallel" },
			steps: [
				{
					parallel: [
						{ name: "bad", run: "exit 7" },
						{ name: "split", run: `printf %s "\${S:0:${half}}"; sleep 0.3; echo "\${S:${half}}"` },
						{ name: "noise", run: "for i in 1 2 3 4 5 6 7 8; do echo noise; sleep 0.1; done" },
						{ name: "may fail", run: "exit 8", continue_on_error: true },
					],
				},
				"true",
			],
		});
		expect([job.state, job.exit_code]).toEqual(["failed", 7]);
		expect(Object.values(statesOf(job))).toEqual(["failed", "succeeded", "succeeded", "failed", "skipped"]);
		expect(log).toContain("[split] ***\n");
		expect(log.match(/noise/g)?.length).toBeGreaterThanOrEqual(8);
		expect(log).not.toContain(value.slice(0, half));
	});

	test("ends only the step that takes too long", async () => {
		const { job } = await done({
			steps: [
				{
					parallel: [
						{ name: "slow", run: "setsid sleep 303 & sleep 304", timeout: "1s", continue_on_error: true },
						{ name: "other", run: "sleep 3; echo done" },
					],
				},
			],
		});
		expect([job.state, statesOf(job)]).toEqual(["succeeded", { slow: "timed_out", other: "succeeded" }]);
	});
});

describe("$CI_ENV and $CI_PATH", () => {
	test("set variables and the PATH of later steps; what a step sets itself counts more", async () => {
		const { log, job } = await done({
			env: { A: "job", B: "job" },
			steps: [
				"echo A=written >> $CI_ENV; printf 'B=b\\nLINES<<END\\none\\n two=2\\nEND\\nEMPTY=\\nEQ=a=b\\r\\n' >> $CI_ENV",
				"mkdir bin late; printf '#!/bin/sh\\necho mine' > bin/ls; printf '#!/bin/sh\\necho later' > late/ls; chmod +x */ls; echo $PWD/bin >> $CI_PATH",
				'echo "$A,$B,$EMPTY,$EQ"; echo "$LINES"; ls; echo $PWD/late >> $CI_PATH',
				{ run: 'echo "$A"; ls; test ! -s $CI_ENV', env: { A: "step" } },
			],
		});
		expect(job.state).toBe("succeeded");
		expect(log).toContain("written,b,,a=b\none\n two=2\nmine\n");
		expect(log).toContain("step\nlater\n");
	});

	test.each([
		["a name of Windlass", "echo CI_RUN_ID=1 >> $CI_ENV", 'Line 1 has the name "CI_RUN_ID". Windlass sets CI and CI_*'],
		["a name that is none", "echo a-b=1 >> $CI_ENV", 'Line 1 has the name "a-b".'],
		["no value", "printf 'A=1\\nnonsense\\n' >> $CI_ENV", "Line 2 is neither name=value nor name<<END."],
		["no end", "printf 'A<<END\\n1\\n' >> $CI_ENV", "Line 1 is never ended"],
		["a NUL byte", "printf 'A=a\\0b\\n' >> $CI_ENV", "The variable A in $CI_ENV has a NUL byte"],
		["ten megabytes", "head -c 10000000 /dev/zero | tr '\\0' x >> $CI_ENV", "$CI_ENV has more than 256 KiB."],
		[
			"a long value",
			"{ printf A=; head -c 140000 /dev/zero | tr '\\0' x; echo; } >> $CI_ENV",
			"The variable A in $CI_ENV has 140002 bytes",
		],
		["a relative folder", "echo bin >> $CI_PATH", 'not the absolute path of one folder: "bin"'],
		["two folders", "echo /a:/b >> $CI_PATH", 'not the absolute path of one folder: "/a:/b"'],
	])("with %s fail their step, with the reason", async (_, run, text) => {
		const { job } = await done({
			steps: [
				{ name: "writes", run },
				{ name: "next", run: "true" },
			],
		});
		expect([job.state, job.reason?.code, statesOf(job)]).toEqual(["failed", "variables_invalid", { writes: "failed", next: "skipped" }]);
		expect(job.reason?.text).toContain(text);
	});

	test("that are links lead nowhere", async () => {
		const secret = path.join(temporaryFolder(atEnd), "target");
		const { job } = await done({ steps: [`touch ${secret}; rm $CI_ENV; ln -s ${secret} $CI_ENV; echo A=1 >> $CI_ENV`, 'test -z "$A"'] });
		expect([job.state, readFileSync(secret, "utf8")]).toEqual(["succeeded", "A=1\n"]);
	});
});

describe("finally", () => {
	const wait = { name: "wait", run: "echo waiting; sleep 300" };
	const clean = { name: "clean", run: "echo cleaned up" };

	test.each([
		["a success", { steps: ["true"] }, "succeeded"],
		["a failure", { steps: ["exit 1"] }, "failed"],
		["a timeout", { steps: [wait], timeout: "1s" }, "timed_out"],
		["a timeout without output", { steps: [wait], idle_timeout: "1s" }, "timed_out"],
	])("runs all of its steps after %s", async (_, job, state) => {
		const failing = { name: "fails", run: "exit 9", continue_on_error: true };
		const { job: ended, log } = await done({ ...job, finally: [failing, clean, { name: "no", run: "true", if: "false" }] });
		expect([ended.state, statesOf(ended)]).toEqual([
			state,
			expect.objectContaining({ fails: "failed", clean: "succeeded", no: "skipped" }),
		]);
		expect(log).toContain("cleaned up\n");
	});

	test("runs after a cancel, which shows that it runs", async () => {
		const gate = path.join(temporaryFolder(atEnd), "gate");
		const run = await submit({
			steps: [
				wait,
				{ name: "on cancel", run: "echo it was cancelled", if: "cancelled()" },
				{ name: "on failure", run: "true", if: "failure()" },
			],
			finally: [{ name: "clean", run: `echo cleaning; until test -e ${gate}; do sleep 0.1; done` }],
		});
		const log = () => coordinator.text(`/api/v1/jobs/${run.jobs[0]?.id}/log?format=clean`);
		await eventually(async () => (await log()).includes("waiting"), "a running step");
		await coordinator.post(`/api/v1/runs/${run.id}/cancel`, {});
		await eventually(async () => (await log()).includes("cleaning"), "the step that cleans up");
		const during = await coordinator.get<resources.Job>(`/api/v1/jobs/${run.jobs[0]?.id}`);
		expect([during.state, statesOf(during).wait]).toEqual(["cancelling", "cancelled"]);
		await eventually(
			async () => statesOf(await coordinator.get<resources.Job>(`/api/v1/jobs/${run.jobs[0]?.id}`)).clean === "running",
			"a step of `finally` that is shown as running",
		);
		const why = await coordinator.get<resources.Explanation>(`/api/v1/jobs/${run.jobs[0]?.id}/explain`);
		expect(why.summary).toContain("its steps that clean up may run for 5m");
		expect(await coordinator.text(`/jobs/${run.jobs[0]?.id}`)).toContain("its steps that clean up may run for 5m");
		await coordinator.post("/api/v1/runs", { pipeline: `steps: [touch ${gate}]` });
		const { job } = await jobOf(run);
		expect([job.state, statesOf(job)]).toEqual([
			"cancelled",
			{ wait: "cancelled", "on cancel": "succeeded", "on failure": "skipped", clean: "succeeded" },
		]);
	});

	test("has a time limit, also for a step that ignores SIGTERM", async () => {
		const stubborn = { name: "stubborn", run: "trap '' TERM; echo stubborn; while :; do sleep 0.2; done" };
		const { job, log } = await done({ steps: ["true"], finally: { timeout: "1s", steps: [stubborn, clean] } });
		expect([job.state, job.reason?.code]).toEqual(["timed_out", "finally_timed_out"]);
		expect(log).toContain(":: the steps that clean up took longer than 1.0s\n");
		expect(statesOf(job)).toMatchObject({ stubborn: "timed_out", clean: "skipped" });
		expect(processesWith("trap '' TERM; echo stubborn")).toEqual([]);
	});

	test("fails a job that has succeeded when one of its steps fails", async () => {
		const { job } = await done({ steps: ["true"], finally: ["exit 6", clean] });
		expect([job.state, job.exit_code, statesOf(job).clean]).toEqual(["failed", 6, "succeeded"]);
	});

	test("is not skipped by fail_fast, and its files are saved", async () => {
		const run = await coordinator.post<resources.Run>("/api/v1/runs", {
			pipeline: {
				fail_fast: true,
				jobs: {
					long: { steps: [wait], finally: [{ name: "clean", run: "echo cleaned" }] },
					bad: { steps: ["sleep 2; exit 1"] },
				},
			},
		});
		const { run: ended } = await jobOf(run);
		const long = ended.jobs.find(({ key }) => key === "long") as resources.Job;
		expect([ended.state, long.state, statesOf(long).clean]).toEqual(["failed", "cancelled", "succeeded"]);
		const { job } = await done({ artifacts: { save: ["made"] }, steps: ["exit 1"], finally: ["echo x > made"] });
		const { items } = await coordinator.get<{ items: resources.Artifact[] }>(`/api/v1/jobs/${job.id}/artifacts`);
		expect(items.map(({ path: name }) => name)).toEqual(["made"]);
	});
});
