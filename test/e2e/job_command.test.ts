import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as resources from "../../schema/wire/resources.ts";
import type { TestCoordinator } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** The `windlass` command in the steps of a job, and what becomes of what it says. */

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

async function run(
	jobs: Record<string, object>,
): Promise<{ run: resources.Run; job(key: string): resources.Job; log(key: string): Promise<string> }> {
	const { id } = await coordinator.post<resources.Run>("/api/v1/runs", { pipeline: { jobs } });
	const ended = resources.run.parse(await coordinator.get(`/api/v1/runs/${id}/wait?timeout=80`));
	const job = (key: string) => ended.jobs.find((one) => one.key === key) as resources.Job;
	return { run: ended, job, log: (key) => coordinator.text(`/api/v1/jobs/${job(key).id}/log?format=clean`) };
}

test("writes outputs, variables, folders of the PATH and the summary", async () => {
	const { job, log } = await run({
		a: {
			outputs: ["v", "lines"],
			steps: [
				{
					id: "one",
					run: `windlass output v=1=2; windlass output "lines=$(printf 'a\\n b\\n')"; windlass env "A=x y"; windlass summary '# Hello'; echo more | windlass summary -; mkdir bin; printf '#!/bin/sh\\necho mine' > bin/mine; chmod +x bin/mine; windlass path "$PWD/bin"`,
				},
				{ run: 'mine; echo "$A ${V}"', env: { V: "${{ steps.one.outputs.v }}" } },
			],
		},
	});
	expect([job("a").state, job("a").outputs]).toEqual(["succeeded", { v: "1=2", lines: "a\n b" }]);
	expect(await log("a")).toContain("mine\nx y 1=2\n");
	expect(await coordinator.text(`/jobs/${job("a").id}?tab=summary`)).toContain("Hello");
});

test("hides a value in the log from then on, and in what the job leaves", async () => {
	const { job, log } = await run({
		a: {
			outputs: ["o"],
			steps: [
				"windlass mask made-in-the-job; echo it is made-in-the-job",
				"printf 'another-value' | windlass mask -; echo another-value; echo o=made-in-the-job >> $CI_OUTPUT",
			],
		},
	});
	expect(await log("a")).toContain("it is ***\n");
	expect(await log("a")).not.toContain("another-value\n***\n");
	expect(job("a").outputs).toEqual({ o: "***" });
});

test("annotates the run: the pages of the job and the run list it, and the API has it", async () => {
	const {
		run: ended,
		job,
		log,
	} = await run({
		a: {
			steps: [
				"windlass annotate --level error --file src/a.ts --line 3 --title 'Type <error>' 'a number is <b>no</b> text'",
				"printf 'first line\\nsecond line\\n' | windlass annotate --level warning -; windlass annotate plain",
			],
		},
	});
	expect(job("a").attempts[0]?.annotations).toEqual([
		{ level: "error", file: "src/a.ts", line: 3, title: "Type <error>", text: "a number is <b>no</b> text" },
		{ level: "warning", file: null, line: null, title: null, text: "first line\nsecond line" },
		{ level: "notice", file: null, line: null, title: null, text: "plain" },
	]);
	expect(await log("a")).toContain(":: error: src/a.ts:3: a number is <b>no</b> text\n");
	for (const page of [await coordinator.text(`/runs/${ended.id}`), await coordinator.text(`/jobs/${job("a").id}`)]) {
		expect(page).toContain("src/a.ts:3");
		expect(page).toContain("Type &lt;error>");
		expect(page).toContain("second line");
	}
});

test.each([
	["windlass annotate --level fatal x", "The level fatal is none of error, warning, notice."],
	["windlass annotate --line 3 x", "--line needs --file."],
	["windlass annotate --file a --line x y", "--line must be a whole number from 1."],
	["windlass annotate --nope 3 x", "unknown option --nope"],
	["windlass annotate ''", "The text is empty."],
	["windlass mask abc", "is not hidden"],
	["windlass output novalue", "write NAME=VALUE, not novalue."],
	["windlass artifact upload 'nothing/*'", "No file of the workspace matches nothing/*."],
	["windlass artifact download nope", "This job does not need a job nope"],
	["windlass pipeline upload nope.yml", "the file nope.yml is not readable."],
	["echo 'jobs: { x: { needs: nope, steps: [a] } }' | windlass pipeline upload -", "Unknown job `nope` in `needs` of job `x`."],
	["windlass nonsense", "unknown command nonsense"],
	["! for i in $(seq 101); do windlass annotate x || break; done; false", "An attempt has at most 100 annotations."],
])("says what is wrong: %s", async (command, text) => {
	const { job, log } = await run({ a: { steps: [`${command} || { echo "code $?"; exit 3; }`] } });
	expect(job("a").exit_code).toBe(3);
	expect(await log("a")).toContain(text);
	expect(await log("a")).toMatch(/code [12]\n/);
});

test("saves files while the job runs, and fetches those of a needed job", async () => {
	const { job, log } = await run({
		a: {
			artifacts: { save: ["both"] },
			steps: [
				"echo early > both; echo x > one.txt; mkdir d; echo y > d/two.txt; windlass artifact upload '*.txt' both",
				"echo late > both; rm one.txt",
			],
		},
		b: {
			needs: "a",
			steps: ["windlass artifact download a 'o*.txt' both; cat one.txt both; windlass artifact download a --into got; cat got/one.txt"],
		},
	});
	expect([job("a").state, job("b").state]).toEqual(["succeeded", "succeeded"]);
	const { items } = await coordinator.get<{ items: resources.Artifact[] }>(`/api/v1/jobs/${job("a").id}/artifacts`);
	expect(items.map(({ path }) => path).sort()).toEqual(["both", "one.txt"]);
	expect(await log("b")).toContain("x\nlate\n");
});

describe("pipeline upload", () => {
	const JOBS = "jobs:\n  one: { needs: up, steps: ['echo one'] }\n  two: { needs: one, matrix: { n: [1, 2] }, steps: ['echo two'] }\n";

	test("adds jobs to the run, once also when a job is tried again; the graph shows who has added them", async () => {
		const upload = `cat > p.yml <<'E'\n${JOBS}E\nwindlass pipeline upload p.yml; windlass pipeline upload - < p.yml; test "$CI_ATTEMPT" = 2`;
		const { run: ended, log } = await run({ up: { retry: { attempts: 2 }, steps: [upload] }, last: { needs: "up", steps: ["true"] } });
		expect(ended.state).toBe("succeeded");
		expect(ended.jobs.map(({ name }) => name).sort()).toEqual(["last", "one", "two (1)", "two (2)", "up"]);
		expect(await log("up")).toContain("added 3 jobs: one, two (1), two (2)\n");
		const page = await coordinator.text(`/runs/${ended.id}?tab=graph`);
		expect(page).toContain("added by up");
		// A rerun makes them again; a rerun of what they do does not.
		const again = await coordinator.post<resources.Run>(`/api/v1/runs/${ended.id}/rerun`, {});
		const rerun = await coordinator.get<resources.Run>(`/api/v1/runs/${again.id}/wait?timeout=80`);
		expect([rerun.state, rerun.jobs.length]).toEqual(["succeeded", 5]);
		const part = await coordinator.post<resources.Run>(`/api/v1/runs/${ended.id}/rerun`, {
			job: ended.jobs.find(({ key }) => key === "one")?.id,
		});
		const partly = await coordinator.get<resources.Run>(`/api/v1/runs/${part.id}/wait?timeout=80`);
		expect([partly.state, partly.jobs.length]).toEqual(["succeeded", 5]);
	});

	test("from two jobs at once adds the jobs of both", async () => {
		const upload = (name: string) => `echo 'jobs: { ${name}: { steps: [echo ${name}] } }' | windlass pipeline upload -`;
		const ups = Object.fromEntries(["a", "b", "c", "d"].map((name) => [`up-${name}`, { steps: [upload(name)] }]));
		const { run: ended } = await run(ups);
		expect([ended.state, ended.jobs.length]).toEqual(["succeeded", 8]);
	});
});
