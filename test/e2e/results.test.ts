import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as resources from "../../schema/wire/resources.ts";
import { eventually, type TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** What jobs leave behind for people and for other jobs: outputs, summaries, files, test results, coverage. */

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let repository: string;
beforeAll(async () => {
	coordinator = await borrowCoordinator(atEnd);
	await coordinator.agent("worker", { slots: "4", args: ["--probes", "mytool=echo 3.2.1;absent=exit 1"] });
	repository = temporaryFolder(atEnd);
	execFileSync("sh", ["-c", "git init -q -b main && echo x > f && git add f && git -c user.name=n -c user.email=e@x commit -qm first"], {
		cwd: repository,
	});
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

async function run(pipeline: unknown, more: object = {}): Promise<resources.Run> {
	const { id } = await coordinator.post<resources.Run>("/api/v1/runs", { pipeline, ...more });
	return wait(id);
}

const wait = async (id: string) => resources.run.parse(await coordinator.get(`/api/v1/runs/${id}/wait?timeout=80`));
const jobOf = (of: resources.Run, name: string) => of.jobs.find((job) => job.name === name) as resources.Job;
const logOf = (job: resources.Job) => coordinator.text(`/api/v1/jobs/${job.id}/log?format=clean`);

describe("outputs", () => {
	test("reach the jobs that need them, several lines and odd characters as well", async () => {
		const value = `a "b" 'c' $(touch pwned) {{ x }}`;
		const done = await run({
			jobs: {
				a: {
					outputs: ["one", "two", "never"],
					steps: [`printf '%s\\n' 'one=${value.replaceAll("'", `'\\''`)}' 'two<<E' l1 l2 E 'undeclared=1' >> $CI_OUTPUT`],
				},
				b: {
					needs: "a",
					env: { ONE: "${{ needs.a.outputs.one }}", TWO: "${{ needs.a.outputs.two }}", THREE: "[${{ needs.a.outputs.never }}]" },
					steps: ['printf "%s\\n" "$ONE" "$TWO" "$THREE"; test ! -e pwned'],
				},
			},
		});
		expect([done.state, jobOf(done, "a").outputs]).toEqual(["succeeded", { one: value, two: "l1\nl2" }]);
		expect(await logOf(jobOf(done, "b"))).toContain(`${value}\nl1\nl2\n[]\n`);
		expect(await logOf(jobOf(done, "a"))).toContain("the output undeclared is left out");
	});

	test.each([
		["a line that is none", "echo 'no output' >> $CI_OUTPUT", "output_invalid"],
		["one that has no end", "echo 'a<<END' >> $CI_OUTPUT", "output_invalid"],
		["one that is too large", 'head -c 40000 /dev/zero | tr "\\0" x | sed "s/^/a=/" >> $CI_OUTPUT', "output_too_large"],
		["a file that is too large", "head -c 2000000 /dev/zero | tr '\\0' x >> $CI_OUTPUT", "output_too_large"],
	])("%s fails the job, with the reason", async (_, step, code) => {
		const done = await run({ outputs: ["a"], steps: [step] });
		expect(done.jobs[0]).toMatchObject({ state: "failed", reason: { code } });
	});
});

describe("files of other jobs", () => {
	test("are fetched by job, variant and pattern, into the folder that is named; executable ones stay so", async () => {
		const done = await run({
			jobs: {
				build: {
					matrix: { os: ["x", "y"] },
					env: { OS: "${{ matrix.os }}" },
					artifacts: { save: ["out/**"] },
					steps: [
						"mkdir -p out/deep; echo $OS > out/name; echo skip > out/deep/no.txt; printf '#!/bin/sh\\necho ran' > out/tool; chmod +x out/tool",
					],
				},
				use: {
					needs: "build",
					artifacts: {
						fetch: [
							{ job: "build", matrix: { os: "x" }, into: "x" },
							{ job: "build", matrix: { os: "y" }, paths: ["out/name"], into: "y" },
						],
					},
					steps: ["cat x/out/name y/out/name; x/out/tool; find . -type f | sort"],
				},
				clash: { needs: "build", artifacts: { fetch: "build" }, steps: ["true"] },
				none: { needs: "build", artifacts: { fetch: { job: "build", paths: "nosuch" } }, steps: ["true"] },
			},
		});
		expect(jobOf(done, "use")).toMatchObject({ state: "succeeded", reason: null });
		expect(await logOf(jobOf(done, "use"))).toContain("x\ny\nran\n./x/out/deep/no.txt\n./x/out/name\n./x/out/tool\n./y/out/name\n");
		expect(jobOf(done, "clash")).toMatchObject({
			state: "errored",
			reason: { code: "artifacts_unavailable", text: expect.stringContaining("have different files") },
		});
		expect(jobOf(done, "none").reason?.text).toContain("none of its artifacts matches nosuch");
	});
});

test("a summary is shown as Markdown, and can do nothing", async () => {
	const markdown =
		"# Built\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<script>alert(1)</script> [x](javascript:alert(1)) ![p](https://e.test/p.png)\n";
	const done = await run({ steps: [`cat > $CI_SUMMARY <<'EOF'\n${markdown}EOF`, "head -c 3000000 /dev/zero | tr '\\0' y >> /dev/null"] });
	const id = done.jobs[0]?.id;
	expect(await coordinator.text(`/api/v1/jobs/${id}/summary`)).toBe(markdown);
	const page = await coordinator.text(`/jobs/${id}?tab=summary`);
	expect(page).toContain("<h1>Built</h1>");
	expect(page).toContain("<td>2</td>");
	expect(page).toContain("&lt;script&gt;");
	expect(page).not.toMatch(/<script>alert|javascript:alert\(1\)"|<img[^>]+e\.test/);
	const long = await run({ steps: ["head -c 3000000 /dev/zero | tr '\\0' y > $CI_SUMMARY"] });
	expect((await coordinator.text(`/api/v1/jobs/${long.jobs[0]?.id}/summary`)).length).toBe(1024 * 1024);
	expect(await logOf(long.jobs[0] as resources.Job)).toContain("the summary has more than 1 MiB and is truncated");
});

describe("test results", () => {
	const junit = (cases: string) => `<testsuites><testsuite name="s">${cases}</testsuite></testsuites>`;
	const report = (cases: string) => ({
		name: "tested",
		source: { git: `file://${repository}` },
		reports: { junit: "r/*.xml" },
		steps: [`mkdir r; cat > r/a.xml <<'EOF'\n${junit(cases)}\nEOF`],
	});
	const passed = '<testcase classname="c" name="one" time="0.5"/>';
	const failed =
		'<testcase classname="c" name="one" time="0.1"><failure message="boom">stack</failure><system-out>said</system-out></testcase>';

	test("failed ones fail a job whose command succeeded; new ones, flaky ones and the slowest are listed; history is kept", async () => {
		const first = await run(
			report(`${passed}<testcase classname="c" name="two" time="2"/><testcase classname="c" name="three"><skipped/></testcase>`),
		);
		expect(first.jobs[0]).toMatchObject({
			state: "succeeded",
			attempts: [{ tests: { passed: 2, failed: 0, skipped: 1, duration_ms: 2500 } }],
		});
		const second = await run(report(failed));
		expect(second.jobs[0]).toMatchObject({
			state: "failed",
			reason: { code: "tests_failed", text: expect.stringContaining("1 of 1 tests failed: c › one") },
		});
		const tests = await eventually(async () => {
			const found = resources.runTests.parse(await coordinator.get(`/api/v1/runs/${second.id}/tests`));
			return found.items[0]?.flaky ? found : null;
		}, "the history of the test");
		expect(tests.items).toEqual([
			expect.objectContaining({
				suite: "c",
				name: "one",
				message: "boom",
				output: "stack\n\nsaid",
				newly_failing: true,
				flaky: true,
				duration_ms: 100,
			}),
		]);
		expect(tests.flaky).toEqual([{ suite: "c", name: "one" }]);
		const all = resources.runTests.parse(await coordinator.get(`/api/v1/runs/${first.id}/tests?state=passed&limit=1`));
		expect([all.totals.passed, all.items.length, all.next_from, all.slowest[0]?.name]).toEqual([2, 1, 1, "two"]);
		const third = await run(report(failed));
		const again = await eventually(async () => {
			const found = resources.runTests.parse(await coordinator.get(`/api/v1/runs/${third.id}/tests`));
			return found.items[0]?.flaky ? found : null;
		}, "the history of the test");
		expect(again.items[0]?.newly_failing).toBe(false);
		const history = resources.testHistory.parse(await coordinator.get("/api/v1/tests/history?pipeline=tested&suite=c&name=one"));
		expect(history.items.map(({ run_id, state }) => [run_id, state])).toEqual([
			[third.id, "failed"],
			[second.id, "failed"],
			[first.id, "passed"],
		]);
		expect(await coordinator.text(`/tests?project=adhoc&pipeline=tested&suite=c&name=one`)).toContain("2 of the last 3 failed");
		expect(await coordinator.text(`/runs/${second.id}`)).toContain("flaky");
	});

	test("one that failed and then passed in a report is flaky in API, pages and history; `retries: fail` fails it", async () => {
		const retried = { ...report(`${failed}${passed}`), name: "retried" };
		const done = await run(retried);
		expect(done.jobs[0]).toMatchObject({ state: "succeeded", attempts: [{ tests: { passed: 1, failed: 0, flaky: 1 } }] });
		expect(await logOf(done.jobs[0] as resources.Job)).toContain(":: tests: 1 passed (1 flaky), 0 failed, 0 skipped\n:: flaky: c › one\n");
		const tests = resources.runTests.parse(await coordinator.get(`/api/v1/runs/${done.id}/tests?state=flaky`));
		expect([tests.totals.flaky, tests.flaky]).toEqual([1, [{ suite: "c", name: "one" }]]);
		expect(tests.items).toEqual([expect.objectContaining({ name: "one", state: "passed", flaky: true, message: "boom" })]);
		expect(await coordinator.text(`/runs/${done.id}?tab=tests`)).toContain("1 flaky");
		const history = await eventually(async () => {
			const { items } = resources.testHistory.parse(await coordinator.get("/api/v1/tests/history?pipeline=retried&suite=c&name=one"));
			return items.length > 0 ? items : null;
		}, "the history");
		expect(history.map(({ state, flaky }) => [state, flaky])).toEqual([["passed", true]]);
		expect(await coordinator.text("/tests?project=adhoc&pipeline=retried&suite=c&name=one")).toContain(
			'<span class="badge wait">flaky</span>',
		);
		const strict = await run({ ...retried, reports: { ...retried.reports, retries: "fail" } });
		expect(strict.jobs[0]).toMatchObject({ state: "failed", reason: { code: "tests_failed" } });
	});

	test("of very many failed ones the page shows the rest, too", async () => {
		const steps = ["seq 60 | sed 's/.*/not ok & - case &/' > r.tap; echo 1..60 >> r.tap"];
		const { id } = await run({ name: "many", reports: { tap: "r.tap" }, steps });
		const first = await coordinator.text(`/runs/${id}?tab=tests`);
		expect([first.includes("case 50<"), first.includes("case 51<")]).toEqual([true, false]);
		const more = /href="([^"]+)">More failed tests/.exec(first)?.[1] as string;
		const second = await coordinator.text(more.replaceAll("&amp;", "&"));
		expect([second.includes("case 50<"), second.includes("case 51<"), second.includes("case 60<")]).toEqual([false, true, true]);
		expect(second).not.toContain("More failed tests");
	});

	test("coverage, and its change against the default branch", async () => {
		const covered = (hits: number) => ({
			name: "covered",
			reports: { coverage: { lcov: "l.info" } },
			steps: [`printf 'SF:a\\nDA:1,1\\nDA:2,${hits}\\nend_of_record\\n' > l.info`],
		});
		const main = await run(covered(1), { branch: "main" });
		expect(main.jobs[0]?.attempts[0]?.coverage).toEqual({ covered: 2, lines: 2 });
		await eventually(
			async () => (await coordinator.get<{ items: resources.RunSummary[] }>("/api/v1/runs")).items.some(({ id }) => id === main.id),
			"the record",
		);
		const branch = await run(covered(0), { branch: "feature" });
		const tests = await eventually(async () => {
			const found = resources.runTests.parse(await coordinator.get(`/api/v1/runs/${branch.id}/tests`));
			return found.coverage[0]?.before ? found : null;
		}, "the coverage before");
		expect(tests.coverage[0]).toMatchObject({ covered: 1, lines: 2, before: { covered: 2, lines: 2, run_id: main.id, branch: "main" } });
	});

	test("matrix jobs have a history each: a test that always fails in one is neither flaky nor new; coverage is compared per matrix job", async () => {
		const pipeline = {
			name: "varied",
			source: { git: `file://${repository}` },
			jobs: {
				check: {
					matrix: { on: ["here", "there"] },
					env: { ON: "${{ matrix.on }}" },
					reports: { tap: "r.tap", coverage: { lcov: "l.info" } },
					steps: [
						"test $ON = here && { echo 1..1; echo ok 1 - one; } > r.tap || { echo 1..1; echo not ok 1 - one; } > r.tap",
						'test $ON = here && hits=1 || hits=0; printf "SF:a\\nDA:1,1\\nDA:2,$hits\\nend_of_record\\n" > l.info',
					],
				},
			},
		};
		const history = async () => resources.testHistory.parse(await coordinator.get("/api/v1/tests/history?pipeline=varied&name=one")).items;
		const first = await run(pipeline, { branch: "main" });
		await eventually(async () => (await history()).length === 2, "the first results");
		const second = await run(pipeline, { branch: "main" });
		await eventually(async () => (await history()).length === 4, "the second results");
		const tests = resources.runTests.parse(await coordinator.get(`/api/v1/runs/${second.id}/tests`));
		expect(tests.items).toEqual([
			expect.objectContaining({ job: jobOf(second, "check (there)").name, newly_failing: false, flaky: false }),
		]);
		expect(tests.flaky).toEqual([]);
		expect(tests.coverage.map(({ job, covered, before }) => [job, covered, before?.covered, before?.run_id])).toEqual([
			["check (here)", 2, 2, first.id],
			["check (there)", 1, 1, first.id],
		]);
		const told = (await history()).filter(({ run_id }) => run_id === first.id).map(({ job, state }) => `${job} ${state}`);
		expect(told.sort()).toEqual(["check (here) passed", "check (there) failed"]);
		expect(await coordinator.text("/tests?project=adhoc&pipeline=varied&suite=&name=one")).toContain("check (there)</a>");
	});

	test.each([
		["one that is not there", "true", "No junit report was found"],
		["one without a test", "echo '<testsuites/>' > r.xml", "The junit report r.xml has no test"],
		["one that is broken", "echo '<testsuites><testsuite>' > r.xml", "cannot be read as junit"],
		[
			"a bomb",
			`printf '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuites><testsuite><testcase name="&b;"/></testsuite></testsuites>' > r.xml`,
			"it declares entities",
		],
		["one that is too large", "head -c 40000000 /dev/zero > r.xml", "at most 32 MiB"],
	])("%s fails the job and says why", async (_, step, text) => {
		const done = await run({ reports: { junit: "r.xml" }, steps: [step] });
		expect(done.jobs[0]).toMatchObject({ state: "failed", reason: { code: "report_unreadable", text: expect.stringContaining(text) } });
	});
});

describe("time and place", () => {
	test("a job that says nothing for too long is ended", async () => {
		const done = await run({ idle_timeout: "2s", steps: ["echo a; sleep 1.1; echo b; sleep 1.1; echo c; sleep 60"] });
		expect(done.jobs[0]).toMatchObject({ state: "timed_out", reason: { code: "idle_timed_out" } });
		expect(await logOf(done.jobs[0] as resources.Job)).toContain("c\n");
	});

	test("jobs go where their tools are; probes of one's own count; unmet requirements are reported at once", async () => {
		await eventually(async () => {
			const { items } = await coordinator.get<{ items: resources.Agent[] }>("/api/v1/agents");
			return items[0]?.capabilities.tools.mytool === "3.2.1" && items[0].capabilities.tools.absent === undefined;
		}, "what the agent has");
		const done = await run({
			runs_on: { os: "linux", cores: 1, memory: "1MiB", disk: "1MiB", tools: { git: ">=2", mytool: "^3" } },
			steps: ["true"],
		});
		expect(done.state).toBe("succeeded");
		const waiting = await coordinator.post<resources.SubmittedRun>("/api/v1/runs", {
			pipeline: { runs_on: { tools: { mytool: ">=4" } }, steps: ["x"] },
		});
		expect(waiting.notices).toEqual(["The job main cannot start: no agent has mytool >=4 (worker has mytool 3.2.1, not >=4)."]);
		const page = await coordinator.text(`/runs/${waiting.id}`);
		expect(page).toContain("Waits for an agent with mytool >=4: none of 1 has all of this.");
		const followed = await coordinator.request("/api/v1/runs?follow=1", {
			method: "POST",
			body: JSON.stringify({ pipeline: { runs_on: "gpu", steps: ["x"] } }),
		});
		const reader = (followed.body as ReadableStream<Uint8Array>).getReader();
		let text = "";
		while (!text.includes("cannot start")) text += new TextDecoder().decode((await reader.read()).value);
		await reader.cancel();
		expect(text).toContain(":: The job main cannot start: no agent has gpu (worker has no label gpu).");
	});
});

describe("again", () => {
	const flag = () => path.join(temporaryFolder(), "flag");

	test("only what failed, with the same parameters, outputs, files and commit of the rest", async () => {
		const file = flag();
		const pipeline = {
			params: { who: { default: "x" } },
			source: { git: `file://${repository}` },
			jobs: {
				a: {
					outputs: ["o"],
					artifacts: { save: "kept" },
					steps: ["echo o=1 >> $CI_OUTPUT; date +%s%N > kept; cp kept /tmp/kept-$CI_RUN_ID"],
				},
				b: {
					needs: "a",
					artifacts: { fetch: "a" },
					env: { O: "${{ needs.a.outputs.o }}", WHO: "${{ params.who }}" },
					steps: [`echo $WHO $O $CI_COMMIT_SHA; cat kept; test -e ${file}`],
				},
				c: { needs: "b", steps: ["true"] },
			},
		};
		const first = await run(pipeline, { params: { who: "ada" } });
		expect([first.state, jobOf(first, "c").state]).toEqual(["failed", "skipped"]);
		execFileSync("git", ["-C", repository, "-c", "user.name=n", "-c", "user.email=e@x", "commit", "--allow-empty", "-qm", "later"]);
		writeFileSync(file, "");
		const { id } = await coordinator.post<resources.SubmittedRun>(`/api/v1/runs/${first.id}/rerun`, { only: "failed" });
		const again = await wait(id);
		expect([again.state, again.rerun_of, again.params, again.commit?.sha]).toEqual([
			"succeeded",
			first.id,
			{ who: "ada" },
			first.commit?.sha,
		]);
		expect(jobOf(again, "a")).toMatchObject({ state: "succeeded", attempt: 0, reason: { code: "reused" }, outputs: { o: "1" } });
		expect(await logOf(jobOf(again, "b"))).toContain(`ada 1 ${first.commit?.sha}\n`);
		const files = (of: resources.Run) => coordinator.text(`/api/v1/jobs/${jobOf(of, "a").id}/artifacts/kept`);
		expect(await files(again)).toBe(await files(first));
		expect(await logOf(jobOf(again, "b"))).toContain((await files(first)).trim());
		const nothing = await coordinator.request(`/api/v1/runs/${again.id}/rerun`, { method: "POST", body: '{"only":"failed"}' });
		expect([nothing.status, (await nothing.json()) as object]).toEqual([
			409,
			expect.objectContaining({ message: "No job of this run has failed." }),
		]);
	});

	test("one job with those that need it; all of it; not while it runs", async () => {
		const first = await run({ jobs: { a: { steps: ["true"] }, b: { needs: "a", steps: ["true"] }, c: { steps: ["exit 1"] } } });
		const one = await coordinator.post<resources.SubmittedRun>(`/api/v1/runs/${first.id}/rerun`, { job: jobOf(first, "a").id });
		expect((await wait(one.id)).jobs.map(({ name, attempt, state }) => [name, attempt, state])).toEqual([
			["a", 1, "succeeded"],
			["b", 1, "succeeded"],
			["c", 0, "failed"],
		]);
		const all = await coordinator.post<resources.SubmittedRun>(`/api/v1/runs/${first.id}/rerun`, {});
		expect((await wait(all.id)).jobs.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
		const live = await coordinator.post<resources.Run>("/api/v1/runs", { pipeline: { runs_on: "nosuch", steps: ["x"] } });
		const refused = await coordinator.request(`/api/v1/runs/${live.id}/rerun`, { method: "POST", body: "{}" });
		expect(refused.status).toBe(409);
	});
});

test("the estimate of a run uses complete runs that did not wait for an approval", async () => {
	const folder = temporaryFolder();
	const recorded = (id: string) =>
		eventually(async () => {
			const { items } = await coordinator.get<{ items: resources.RunSummary[] }>("/api/v1/runs?limit=100");
			return items.some((one) => one.id === id && one.state === "succeeded");
		}, "the record");
	/** What the page says of a run of one job, while that goes on; and then it ends. */
	const leftOf = async (name: string) => {
		const file = path.join(folder, name);
		const pipeline = { name: "usual", steps: [`until test -e ${file}; do sleep 0.1; done`] };
		const { id } = await coordinator.post<resources.Run>("/api/v1/runs", { pipeline });
		await eventually(async () => (await coordinator.get<resources.Run>(`/api/v1/runs/${id}`)).state === "running", "the run");
		const text = await coordinator.text(`/runs/${id}`);
		writeFileSync(file, "");
		await wait(id);
		await recorded(id);
		return /about [^<]* left|usually takes [^<]*/.exec(text)?.[0] ?? null;
	};
	const gated = await coordinator.post<resources.Run>("/api/v1/runs", {
		pipeline: { name: "usual", approval: { message: "Now?" }, steps: ["true"] },
	});
	await coordinator.post(`/api/v1/jobs/${gated.jobs[0]?.id}/approve`, {});
	expect((await wait(gated.id)).state).toBe("succeeded");
	const flag = path.join(folder, "flag");
	const half = await run({ name: "usual", jobs: { a: { steps: ["true"] }, b: { needs: "a", steps: [`test -e ${flag}`] } } });
	writeFileSync(flag, "");
	const { id } = await coordinator.post<resources.SubmittedRun>(`/api/v1/runs/${half.id}/rerun`, { only: "failed" });
	expect((await wait(id)).state).toBe("succeeded");
	await recorded(gated.id);
	await recorded(id);
	expect(await leftOf("first")).toBe(null);
	expect(await leftOf("second")).not.toBe(null);
});

test("an approval by the API: the run waits, is approved, and says by whom", async () => {
	const { id } = await coordinator.post<resources.Run>("/api/v1/runs", {
		pipeline: { jobs: { d: { approval: { message: "Ship?" }, steps: ["echo shipped"] } } },
	});
	const waiting = await coordinator.get<resources.Run>(`/api/v1/runs/${id}`);
	expect([waiting.state, waiting.jobs[0]?.reason?.code]).toEqual(["waiting", "approval"]);
	const page = await coordinator.text(`/runs/${id}`);
	expect(page).toContain("Waits for an approval: Ship?");
	expect(page).toContain("Approve");
	await coordinator.post(`/api/v1/jobs/${waiting.jobs[0]?.id}/approve`, { comment: "tested on staging" });
	const approvals = [{ by: "admin", comment: "tested on staging" }];
	expect(await wait(id)).toMatchObject({ state: "succeeded", jobs: [{ approved_by: "admin", approvals }] });
	expect(await coordinator.text(`/jobs/${waiting.jobs[0]?.id}`)).toContain("approved by admin: tested on staging");
	const again = await coordinator.post<resources.Job>(`/api/v1/jobs/${waiting.jobs[0]?.id}/approve`, {});
	expect(again.approved_by).toBe("admin");
	const late = await coordinator.request(`/api/v1/jobs/${waiting.jobs[0]?.id}/decline`, { method: "POST", body: "{}" });
	expect([late.status, await late.json()]).toEqual([
		409,
		expect.objectContaining({ error: "conflict", message: "The job has ended: succeeded." }),
	]);
});

test("what a job of some seconds has used is measured, and shown by step; a short job has none", async () => {
	const burn = "end=$((SECONDS + 4)); while [ $SECONDS -lt $end ]; do :; done";
	const done = await run({ jobs: { long: { steps: [{ name: "burn", run: burn }] }, short: { steps: ["true"] } } });
	const usage = jobOf(done, "long").attempts[0]?.usage;
	expect(usage?.cpu.length).toBeGreaterThanOrEqual(2);
	expect(Math.max(...(usage?.cpu ?? []))).toBeGreaterThan(200);
	expect(usage?.peak_memory).toBeGreaterThan(1_000_000);
	expect(jobOf(done, "short").attempts[0]?.usage).toBeNull();
	const page = await coordinator.text(`/jobs/${jobOf(done, "long").id}?tab=resources`);
	for (const part of ["<code>burn</code>", "Memory", "peak", "cores"]) expect(page).toContain(part);
	expect(await coordinator.text(`/jobs/${jobOf(done, "short").id}`)).not.toContain("tab=resources");
});
