import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Failure, failure } from "../../schema/wire/failures.ts";
import type { Page, Run, RunSummary } from "../../schema/wire/resources.ts";
import { ADMIN_TOKEN, eventually, Program, type TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** Why a run failed, in little text. */

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let repository: string;
beforeAll(async () => {
	coordinator = await borrowCoordinator(atEnd);
	await coordinator.agent("worker", { slots: "2" });
	repository = temporaryFolder(atEnd);
	git("init", "-q", "-b", "main");
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

function git(...args: string[]): string {
	return execFileSync("git", ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", ...args], { cwd: repository, encoding: "utf8" });
}

function commit(subject: string, script: string): void {
	writeFileSync(path.join(repository, "test.sh"), script);
	git("add", "-A");
	git("commit", "-qm", subject);
}

const REPORT = (failed: string) => `<testsuite name="cart" tests="2">
<testcase name="is empty" time="0.1"/><testcase name="adds" time="0.2">${failed}</testcase></testsuite>`;
const FAILED = '<failure message="expected 3, got 2">at cart.test.ts:41\nat runner.ts:7</failure>';

function script(report: string, code: number): string {
	return `seq 1 300\necho 'src/cart.ts(41,12): error TS2345: a number is no text'\nseq 301 600\ncat > report.xml <<'E'\n${report}\nE\nexit ${code}\n`;
}

async function run(params: object = {}): Promise<Run> {
	const pipeline = {
		name: "ci",
		params: { level: { default: "low" } },
		jobs: {
			unit: { name: "unit tests", steps: [{ name: "npm test", run: "sh test.sh" }, "echo never"], reports: { junit: "report.xml" } },
			lint: { steps: ["true"] },
		},
	};
	const source = { git: repository, ref: "main" };
	const { id } = await coordinator.post<Run>("/api/v1/runs", { pipeline, project: "shop", source, params });
	return coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
}

const failureOf = async (id: string, query = "") =>
	failure.parse(await coordinator.get<Failure>(`/api/v1/runs/${id}/failure?max=20000${query}`));

describe("the failure of a run", () => {
	let green: Run;
	let red: Run;
	beforeAll(async () => {
		commit("Begin", script(REPORT(""), 0));
		green = await run();
		// The comparison reads the record.
		await eventually(async () => (await recorded(green.id))?.state === "succeeded", "the record of the first run");
		commit("Add voucher rules", script(REPORT(FAILED), 7));
		red = await run({ level: "high" });
		await eventually(async () => {
			const [first] = (await failureOf(red.id)).tests?.items ?? [];
			return first?.newly_failing === true;
		}, "the history of the tests");
	});

	const recorded = async (id: string) =>
		(await coordinator.get<Page<RunSummary>>("/api/v1/runs?project=shop")).items.find((one) => one.id === id);

	test("says the job, the step, the code and the tests in a sentence, and which are new", async () => {
		expect(green.state).toBe("succeeded");
		const { cause, job, step, tests, before, next } = await failureOf(red.id);
		expect(cause).toBe("unit tests, step npm test: exit code 7, 1 of 2 tests failed. The failure is new.");
		expect([job?.name, job?.agent, job?.attempt, step]).toEqual(["unit tests", "worker", 1, { name: "npm test", exit_code: 7 }]);
		expect(tests).toMatchObject({ failed: 1, total: 2, items: [{ suite: "cart", name: "adds", message: "expected 3, got 2" }] });
		expect(before).toBe("unit tests succeeded in the run of this branch before.");
		expect(next).toContain(`windlass rerun ${red.id} --failed`);
	});

	test("shows the line of the log that matters, with its number, and not the hundreds around it", async () => {
		const { log } = await failureOf(red.id);
		const [line] = log.filter(({ text }) => text.includes("error TS2345"));
		expect(log.length).toBeLessThan(20);
		const whole = await coordinator.get<{ lines: string[] }>(
			`/api/v1/jobs/${red.jobs[0]?.id}/log/lines?from=${(line?.line ?? 0) - 1}&count=1`,
		);
		expect(whole.lines[0]).toContain("error TS2345");
	});

	test("says what has changed since the last success: commits and parameters", async () => {
		const { since } = await failureOf(red.id);
		expect(since?.run).toMatchObject({ id: green.id, number: green.number });
		expect(since?.commits.map(({ subject, author }) => [subject, author])).toEqual([["Add voucher rules", "Ada"]]);
		expect(since?.changes).toContain('parameter level: "low" → "high"');
	});

	test("is text for a terminal, of at most the asked size", async () => {
		const text = await coordinator.text(`/api/v1/runs/${red.id}/failure?format=text&max=1000`);
		expect(text).toMatch(/^shop #\d+ failed: unit tests, step npm test: exit code 7/);
		expect(Buffer.byteLength(text)).toBeLessThanOrEqual(1_000);
		const asked = await coordinator.request(`/api/v1/runs/${red.id}/failure`, { headers: { Accept: "text/plain" } });
		expect(asked.headers.get("Content-Type")).toMatch(/^text\/plain/);
	});

	test("is printed by windlass why, for a run by its project and number", async () => {
		const why = async (...args: string[]) => {
			const program = new Program(["why", ...args], { WINDLASS_SERVER: coordinator.url, WINDLASS_API_TOKEN: ADMIN_TOKEN });
			return { code: await program.exited, output: program.output };
		};
		const { code, output } = await why(`shop#${red.number}`);
		expect([code, output]).toEqual([0, expect.stringContaining("error TS2345")]);
		expect(JSON.parse((await why(red.id, "-o", "json")).output)).toMatchObject({ run: { id: red.id } });
		expect((await why("shop#99")).output).toContain("Project shop has no run #99.");
	});

	test("is an error for a run that has not failed, and for a size out of bounds", async () => {
		const none = await coordinator.request(`/api/v1/runs/${green.id}/failure`);
		expect([none.status, ((await none.json()) as { message: string }).message]).toEqual([409, expect.stringContaining("has not failed")]);
		expect((await coordinator.request(`/api/v1/runs/${red.id}/failure?max=10`)).status).toBe(422);
	});

	test("is first on the page of the run", async () => {
		const page = await coordinator.text(`/runs/${red.id}`);
		expect(page).toContain("The failure is new.");
		expect(page).toContain("expected 3, got 2");
		expect(page).toContain("error TS2345: a number is no text");
	});
});
