import { execFileSync, spawn, spawnSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as resources from "../../schema/wire/resources.ts";
import { ADMIN_TOKEN, eventually, QUICK_PATH, type TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** The commands, as a person runs them; and the example pipelines, run by them. */

const ROOT = path.resolve(import.meta.dirname, "../..");
const PROGRAM = path.join(ROOT, "dist/cli/main.js");
const PIPELINES = path.join(ROOT, "examples/pipelines");

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
beforeAll(async () => {
	coordinator = await borrowCoordinator(atEnd);
	await coordinator.agent("worker", { slots: "4" });
	await eventually(async () => {
		const { items } = await coordinator.get<{ items: resources.Agent[] }>("/api/v1/agents");
		return items[0]?.capabilities.tools.node;
	}, "the tools of the agent");
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

function environment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
	const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(WINDLASS_|FORCE_COLOR)/.test(name)));
	return { ...own, PATH: QUICK_PATH, WINDLASS_SERVER: coordinator.url, WINDLASS_API_TOKEN: ADMIN_TOKEN, NO_COLOR: "1", ...more };
}

interface Told {
	code: number | null;
	out: string;
	err: string;
}

function windlass(args: string[], options: { cwd?: string; input?: string; env?: Record<string, string> } = {}): Promise<Told> {
	const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: options.cwd ?? ROOT, env: environment(options.env) });
	let out = "";
	let err = "";
	child.stdout.on("data", (chunk) => (out += chunk));
	child.stderr.on("data", (chunk) => (err += chunk));
	child.stdin.end(options.input ?? "");
	return new Promise((resolve) => child.once("close", (code) => resolve({ code, out, err })));
}

/** A working copy of one's own, with these files. */
function workingCopy(files: Record<string, string> = {}, from?: string): string {
	const folder = temporaryFolder(atEnd);
	if (from) cpSync(from, folder, { recursive: true });
	for (const [name, text] of Object.entries(files)) {
		mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
		writeFileSync(path.join(folder, name), text);
	}
	execFileSync("sh", ["-c", "git init -q -b main && git add -A && git -c user.name=n -c user.email=e@x commit -qm first"], { cwd: folder });
	return folder;
}

describe("windlass lint", () => {
	test("reports all errors at once, each with its line and a mark; JSON too", async () => {
		const cwd = workingCopy({ ".windlass.yml": 'jobs:\n  a:\n    if: run.brnch == "x"\n    stepz: [x]\n    steps: [x]\n' });
		const told = await windlass(["lint"], { cwd });
		expect([told.code, told.out]).toEqual([
			1,
			expect.stringContaining(
				".windlass.yml:4:5: error: jobs.a.stepz: Unknown key `stepz` in job `a`.\n  4 |     stepz: [x]\n    |     ^\n  hint: Did you mean `steps`?",
			),
		]);
		const json = await windlass(["lint", "-o", "json", "-"], { input: "steps: [a" });
		expect(JSON.parse(json.out)).toMatchObject([{ file: "standard input", valid: false, errors: [{ line: 1 }] }]);
		for (const output of ["text", "json"]) {
			const missing = await windlass(["lint", "-o", output, "nosuch.yml", ".windlass.yml"], { cwd });
			expect([missing.code, missing.err]).toEqual([2, expect.stringMatching(/^windlass: nosuch\.yml is not readable/)]);
			if (output === "text") expect(missing.out).toContain("Unknown key `stepz`");
			else expect(JSON.parse(missing.out)).toMatchObject([{ errors: [{ line: null }] }, { errors: [{ line: 4 }] }]);
		}
	});

	test("finds every pipeline of a repository; the examples are right", async () => {
		const files = readdirSync(PIPELINES).map((name) => path.join(PIPELINES, name));
		expect(files).toHaveLength(12);
		expect(await windlass(["lint", ...files])).toMatchObject({ code: 0, err: "" });
		const both = workingCopy({ ".windlass.yml": "steps: [a]", ".windlass/b.yml": "steps: [b]" });
		expect((await windlass(["lint"], { cwd: both })).err).toContain("Keep the pipelines in one of them.");
		const spelled = workingCopy({ ".windlass.yml": "steps: [a]", ".windlass.yaml": "steps: [b]" });
		expect((await windlass(["lint"], { cwd: spelled })).err).toContain("both .windlass.yml and .windlass.yaml. Keep");
		const yaml = workingCopy({ ".windlass.yaml": "steps: [a]" });
		expect((await windlass(["lint"], { cwd: yaml })).out).toBe("✓ .windlass.yaml: 1 job\n");
		const several = workingCopy({ ".windlass/a.yml": "steps: [a]", ".windlass/b.yaml": "steps: [b]" });
		expect((await windlass(["lint"], { cwd: several })).out).toBe("✓ .windlass/a.yml: 1 job\n✓ .windlass/b.yaml: 1 job\n");
	});
});

describe("windlass run", () => {
	test("sends the working copy as it is, follows, and ends with the exit code of what failed", async () => {
		const cwd = workingCopy({
			".windlass.yml":
				'params: { p: {} }\nenv: { P: "${{ params.p }}" }\njobs:\n  a: { steps: ["cat f new; echo $P $E; test ! -e ignored"] }\n  b: { needs: a, steps: [exit 7] }\n',
			f: "committed\n",
			".gitignore": "ignored\n",
		});
		writeFileSync(path.join(cwd, "new"), "not yet\n");
		writeFileSync(path.join(cwd, "ignored"), "secret\n");
		const told = await windlass(["run", "-p", "p=it's", "-e", "E=e"], { cwd });
		expect([told.code, told.out]).toEqual([
			7,
			expect.stringMatching(
				/a \| committed\na \| not yet\na \| it's e\n[\s\S]*✗ failed +pipeline #\d+ in .*\n {2}✗ failed b: The step "exit 7" failed/,
			),
		]);
		const [, id = ""] = /(run_\w+)/.exec(told.out) ?? [];
		expect(await coordinator.get(`/api/v1/runs/${id}`)).toMatchObject({ branch: "main", params: { p: "it's" } });
	});

	test("a pipeline that names its source is run with that; a folder that is named wins", async () => {
		const repository = workingCopy({ f: "of the repository\n" });
		const elsewhere = temporaryFolder(atEnd);
		writeFileSync(path.join(elsewhere, ".windlass.yml"), `source: { git: "file://${repository}" }\nsteps: [cat f]\n`);
		expect(await windlass(["run"], { cwd: elsewhere })).toMatchObject({ code: 0, out: expect.stringContaining("of the repository\n") });
		const named = await windlass(["run", "--source", workingCopy({ f: "of the folder\n" })], { cwd: elsewhere });
		expect(named.out).toContain("of the folder\n");
	});

	test("a command; detached; with labels, a project, as JSON; what is wrong is shown at its line", async () => {
		expect(await windlass(["run", "--no-source", "--", "echo hi; exit 3"])).toMatchObject({
			code: 3,
			out: expect.stringContaining("hi\n"),
		});
		const quoted = await windlass(["run", "--no-source", "--", "bash", "-c", 'echo "hello $0"', "it's"]);
		expect([quoted.code, quoted.out]).toEqual([0, expect.stringContaining("hello it's\n")]);
		const both = await windlass(["run", "-f", "x.yml", "--", "true"]);
		expect([both.code, both.err]).toEqual([2, expect.stringContaining('--file names a pipeline, and "true" is a command')]);
		const detached = await windlass(["run", "--no-source", "-d", "-l", "nowhere", "--project", "web", "--priority", "5", "--", "true"]);
		expect(detached.err).toContain("notice: The job main cannot start: no agent has nowhere");
		const id = detached.out.trim().split("\n").at(-1) ?? "";
		expect(await coordinator.get(`/api/v1/runs/${id}`)).toMatchObject({ project: "web", priority: 5 });
		expect((await windlass(["explain", id])).out).toContain("worker has no label nowhere");
		expect((await windlass(["show", id])).out).toMatch(/◌ waiting +main .* job_\w+ +\w+/);
		expect((await windlass(["cancel", id])).out).toContain("⊘ cancelled");
		const json = await windlass(["run", "--no-source", "-o", "json", "--", "true"]);
		expect(resources.submittedRun.parse(JSON.parse(json.out)).state).toBe("queued");
		const cwd = workingCopy({ ".windlass.yml": "steps:\n  - run: a\n    shel: sh\n" });
		const options = await windlass(["run", "--no-source", "--priority", "1000", "-l", "bad label", "--", "true"]);
		expect([options.code, options.err]).toEqual([2, expect.stringMatching(/error: -l: [\s\S]*error: --priority: /)]);
		const wrong = await windlass(["run"], { cwd });
		expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining(".windlass.yml:3:5: error: steps.0.shel")]);
	});

	test("without a coordinator, without a token, with a wrong one: one sentence", async () => {
		const nobody = await windlass(["ls"], { env: { WINDLASS_SERVER: "http://127.0.0.1:1" } });
		expect([nobody.code, nobody.err]).toEqual([2, expect.stringContaining("The coordinator at http://127.0.0.1:1 does not answer")]);
		expect((await windlass(["ls"], { env: { WINDLASS_API_TOKEN: "" } })).err).toContain("The coordinator needs a token");
		expect(await windlass(["ls"], { env: { WINDLASS_API_TOKEN: "wrong" } })).toMatchObject({
			code: 1,
			err: expect.stringContaining("The token is not valid"),
		});
	});
});

test("ls, show, logs, rerun, artifacts: what was run can be looked at and repeated", async () => {
	const cwd = workingCopy({
		".windlass.yml":
			"name: looked-at\njobs:\n  a: { outputs: [v], steps: ['echo v=1 >> $CI_OUTPUT; mkdir -p d; echo x > d/f; echo said'], artifacts: { save: d } }\n  b: { needs: a, steps: ['test -e /tmp/nosuch-$CI_SERVER_URL'] }\n",
	});
	expect((await windlass(["run"], { cwd })).code).toBe(1);
	await eventually(
		async () => /^state +project +run +branch .*\n✗ failed +adhoc +looked-at #\d+ +main/.test((await windlass(["ls", "--limit", "1"])).out),
		"the run in the list, as it has ended",
	);
	const shown = await windlass(["show", "latest"]);
	const run = JSON.parse((await windlass(["show", "latest", "-o", "json"])).out) as resources.Run;
	const [first, second] = run.jobs.map(({ id }) => id);
	expect(shown.out).toMatch(new RegExp(`✓ succeeded +a .* ${first}\\n✗ failed +b .* ${second} +The step`));
	expect((await windlass(["show", run.jobs[0]?.id ?? ""])).out).toContain("outputs\n  v=1");
	expect((await windlass(["logs", run.jobs[0]?.id ?? ""])).out).toContain("\nsaid\n");
	expect((await windlass(["logs", "latest", "a"])).out).toContain("\nsaid\n");
	expect((await windlass(["show", "latest", "c"])).err).toContain(`This run has no job c. Name one of:\n  ${first}  a\n  ${second}  b\n`);
	expect((await windlass(["logs", "latest"])).out).toMatch(/── a ──\n[\s\S]*── b ──/);
	expect(await windlass(["logs", "-f", run.jobs[1]?.id ?? ""])).toMatchObject({ code: 1 });
	const rerun = await windlass(["rerun", run.id, "--failed"]);
	expect([rerun.code, rerun.out]).toEqual([1, expect.not.stringContaining("said")]);
	const ofOne = await windlass(["rerun", run.id, "--job", "b", "-o", "json"]);
	expect((JSON.parse(ofOne.out) as resources.Run).jobs.map(({ state }) => state)).toEqual(["succeeded", "queued"]);
	expect((await windlass(["artifacts", "ls", run.id])).out).toMatch(/a +d\/f +2 bytes/);
	const into = temporaryFolder(atEnd);
	expect((await windlass(["artifacts", "get", run.id, "d/*", "-C", into])).code).toBe(0);
	expect(readFileSync(path.join(into, "d/f"), "utf8")).toBe("x\n");
	expect((await windlass(["artifacts", "get", run.id, "nosuch"])).err).toContain("No artifact matches nosuch");
	expect((await windlass(["show", "12"])).err).toContain('"12" is not the id of a run');
});

test("colours of a job only where there may be any; its output is printed, also lines that look like the end", async () => {
	const command = "printf '\\033[31mred\\033[0m\\n'; echo ::exit 7; echo ends; exit 3";
	const env = { FORCE_COLOR: "1", NO_COLOR: "" };
	const run = (more?: Record<string, string>) => windlass(["run", "--no-source", "--", command], more ? { env: more } : {});
	expect(await run()).toMatchObject({ code: 3, out: expect.stringMatching(/\nred\n::exit 7\nends\n/) });
	expect((await run(env)).out).toContain("\n\x1b[31mred\x1b[0m\n");
	const job = JSON.parse((await windlass(["show", "latest", "-o", "json"])).out).jobs[0].id;
	for (const args of [["latest"], ["-f", "latest"], [job], ["-f", job]]) {
		expect((await windlass(["logs", ...args])).out).toContain("\nred\n");
		expect((await windlass(["logs", ...args], { env })).out).toContain("\n\x1b[31mred\x1b[0m\n");
	}
});

describe("inside a clone of a project's repository", () => {
	test("a run belongs to the project, and latest is the newest of its branch; elsewhere nothing is changed by guess", async () => {
		const cwd = workingCopy({ ".windlass.yml": "name: mine\nsteps: [echo mine]\n" });
		execFileSync("git", ["remote", "add", "origin", "git@git.test:Team/cloned.git"], { cwd });
		await coordinator.post("/api/v1/projects", { name: "cloned", repository: "https://ci@GIT.test/Team/cloned" });
		const mine = await windlass(["run"], { cwd });
		expect([mine.code, mine.err]).toEqual([0, expect.stringContaining("of project cloned. The run belongs to that project.")]);
		expect((await windlass(["run", "--no-source", "--", "echo other"])).code).toBe(0);
		const shown = await eventually(async () => {
			const told = await windlass(["show", "latest", "-o", "json"], { cwd });
			return told.code === 0 && JSON.parse(told.out).state === "succeeded" && told;
		}, "the run in the record");
		expect([JSON.parse(shown.out).project, shown.err]).toEqual(["cloned", "windlass: latest is mine #1 of project cloned, branch main\n"]);
		expect((await windlass(["ls", "--project", "cloned", "--branch", "main"])).out).toMatch(/✓ succeeded +cloned +mine #1 +main/);
		expect((await windlass(["show", "latest"])).err).toContain("latest is the newest run of all projects: adhoc");
		for (const command of ["cancel", "rerun", "approve", "decline", "rm"])
			expect(await windlass([command, "latest"])).toMatchObject({ code: 2, err: expect.stringContaining("Name the run by its id") });
		const { id } = JSON.parse(shown.out) as resources.Run;
		const unasked = await windlass(["rm", "latest"], { cwd });
		expect([unasked.code, unasked.err]).toEqual([2, expect.stringContaining("Delete run mine #1 of project cloned")]);
		expect((await windlass(["rm", "latest", "--yes"], { cwd })).out).toBe(`Run ${id} is deleted.\n`);
		await coordinator.post("/api/v1/projects", { name: "again", repository: "ssh://git@git.test:2222/Team/cloned.git/" });
		expect((await windlass(["run"], { cwd })).err).toContain("the repository of projects again and cloned. Name one with --project.");
	});

	test("pausing and removing need --yes where there is no terminal", async () => {
		for (const args of [
			["queue", "pause"],
			["projects", "rm", "again"],
			["schedules", "pause", "sch_1"],
		])
			expect(await windlass(args)).toMatchObject({ code: 2, err: expect.stringContaining("Confirm with --yes") });
		expect((await windlass(["queue", "pause", "--yes", "-m", "moving"])).out).toContain("paused by admin: moving");
		expect((await windlass(["queue", "resume"])).out).toBe("The queue starts jobs.\n");
	});

	test("paths are relative to where npm was called (INIT_CWD), but for a script of another package", async () => {
		const called = workingCopy({ "ci/one.yml": "steps: [a]" });
		const npm = { npm_command: "run-script", npm_lifecycle_event: "windlass", INIT_CWD: called };
		expect(await windlass(["lint", "ci/one.yml"], { env: npm })).toMatchObject({ code: 0, out: "✓ ci/one.yml: 1 job\n" });
		const other = workingCopy({ "ci/two.yml": "steps: [a]" });
		expect(await windlass(["lint", "ci/two.yml"], { cwd: other, env: npm })).toMatchObject({ code: 0, out: "✓ ci/two.yml: 1 job\n" });
	});
});

describe("standard output", () => {
	/** Files whose faults are more than a pipe holds (64 KiB). */
	function faultyFiles(): string[] {
		const file = path.join(temporaryFolder(atEnd), "faulty.yml");
		writeFileSync(file, `jobs: {${Array.from({ length: 100 }, (_, index) => ` j${index}: { stepz: [x] }`).join(",")} }`);
		return Array.from({ length: 30 }, () => file);
	}

	test("a slow reader gets all of it, also what a pipe does not hold at once", async () => {
		const { code, out } = await windlass(["lint", "-o", "json", ...faultyFiles()]);
		expect([code, JSON.parse(out).length]).toEqual([1, 30]);
		const text = "steps: ['head -c 300000 /dev/zero | tr \\\\0 x | fold -w 100']";
		const run = await windlass(["run", "--no-source", "-d", "-f", "-"], { input: text });
		const id = run.out.trim().split("\n").at(-1) ?? "";
		const slowly = `${process.execPath} ${PROGRAM} logs -f ${id} | { sleep 0.3; grep -c xxxxxxxxxx; }`;
		expect(execFileSync("sh", ["-c", slowly], { env: environment() }).toString().trim()).toBe("3000");
	});

	test("a reader that leaves early ends the command without a word, with the code of SIGPIPE", async () => {
		const command = `{ ${process.execPath} ${PROGRAM} lint ${faultyFiles().join(" ")} 2>&3; echo $? >&3; } 3>&2 | head -c 10 >/dev/null`;
		const { stderr } = spawnSync("sh", ["-c", command], { env: environment() });
		expect(stderr.toString()).toBe("141\n");
	});

	test("the logs of many jobs are copied without a warning of Node", async () => {
		const input = `jobs: {${Array.from({ length: 12 }, (_, index) => ` j${index}: { steps: [echo said] }`).join(",")} }`;
		const run = await windlass(["run", "--no-source", "-f", "-"], { input });
		const [, id = ""] = /(run_\w+)/.exec(run.out) ?? [];
		const { out, err } = await windlass(["logs", id]);
		expect([out.match(/^said$/gm)?.length, err]).toEqual([12, ""]);
	});
});

test("approve and decline", async () => {
	const gated = async () => {
		const { out } = await windlass(["run", "--no-source", "-o", "json", "-f", "-"], {
			input: "jobs: { d: { approval: true, steps: [echo shipped] } }",
		});
		return (JSON.parse(out) as resources.Run).jobs[0]?.id ?? "";
	};
	const job = await gated();
	expect((await windlass(["approve", job])).code).toBe(0);
	expect((await windlass(["logs", "-f", job])).out).toContain("shipped");
	expect((await windlass(["decline", await gated(), "-m", "no"])).out).toContain("⊘ cancelled");
	const alone = await gated();
	const { run_id } = await coordinator.get<resources.Job>(`/api/v1/jobs/${alone}`);
	expect(await windlass(["approve", run_id])).toMatchObject({ code: 0, out: expect.stringContaining(alone) });
	const { out: started } = await windlass(["run", "--no-source", "-o", "json", "-f", "-"], {
		input: "jobs: { d: { approval: true, steps: [x] }, e: { approval: true, steps: [x] } }",
	});
	const { id, jobs } = JSON.parse(started) as resources.Run;
	const several = await windlass(["decline", id]);
	const listed = jobs.map((one) => `  ${one.id}  ${one.name}\n`).join("");
	expect([several.code, several.err]).toEqual([2, expect.stringContaining(`Name one of:\n${listed}`)]);
});

describe("windlass exec", () => {
	const text = `params: { p: { default: x } }
jobs:
  a: { outputs: [v], env: { P: "\${{ params.p }}" }, steps: ["ls; echo v=$P >> $CI_OUTPUT; echo made > made"], artifacts: { save: made } }
  b: { needs: a, artifacts: { fetch: a }, env: { V: "\${{ needs.a.outputs.v }}" }, steps: ['cat made; echo "got $V"'] }
  c: { needs: b, if: params.p == "fail", steps: [exit 5] }
  g: { approval: true, steps: [echo gate] }
`;

	test("runs all of a pipeline here, without a coordinator; files are handed on and can be kept", async () => {
		const cwd = workingCopy({ ".windlass.yml": text, here: "" });
		const env = { WINDLASS_SERVER: "http://127.0.0.1:1", WINDLASS_API_TOKEN: "" };
		const keep = path.join(temporaryFolder(atEnd), "kept");
		const told = await windlass(["exec", "--artifacts", keep], { cwd, env });
		expect([told.code, told.out]).toEqual([0, expect.stringContaining("b | made\nb | got x\n")]);
		expect(told.out).toContain("» skipped c: Its condition is false");
		expect(told.out).toContain("» skipped g: It waits for an approval. Use --approve");
		expect(readFileSync(path.join(keep, "a/made"), "utf8")).toBe("made\n");
		expect(await windlass(["exec", "-p", "p=fail"], { cwd, env })).toMatchObject({ code: 5 });
		expect(await windlass(["exec", "-p", "p"], { cwd, env })).toMatchObject({
			code: 2,
			err: expect.stringContaining('--param: "p" is not of'),
		});
		const unknown = await windlass(["exec", "-p", "q=x"], { cwd, env });
		expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining("error: -p q: Unknown parameter `q`.")]);
	});

	test("has the windlass command: a job adds jobs, once, and fetches files of what it needs; run.sha is that of the working copy", async () => {
		const added =
			"jobs: { more: { needs: plan, steps: [windlass artifact download plan, cat made, 'echo more at $SHA'], env: { SHA: '${{ run.sha }}' } } }";
		const plan = ["windlass pipeline upload p.yml; windlass pipeline upload - < p.yml", "echo made > made; windlass artifact upload made"];
		const late = ["windlass artifact download plan || echo code $?; windlass pipeline upload nothing.yml || echo code $?"];
		const cwd = workingCopy({
			".windlass.yml": JSON.stringify({ jobs: { plan: { steps: plan }, late: { steps: late } } }),
			"p.yml": added,
		});
		const told = await windlass(["exec"], { cwd, env: { WINDLASS_SERVER: "http://127.0.0.1:1" } });
		const sha = execFileSync("git", ["rev-parse", "HEAD"], { cwd, encoding: "utf8" }).trim();
		expect([told.code, told.out]).toEqual([0, expect.stringContaining("plan | added 1 job: more\nplan | added 1 job: more\n")]);
		expect(told.out).toContain("more | made\n");
		expect(told.out).toContain(`more | more at ${sha}\n`);
		expect(told.out.match(/^✓ \w+ more$/gm)).toHaveLength(1);
		expect(told.out).toContain("late | This job does not need a job plan");
		const alone = await windlass(["exec", "plan"], { cwd });
		expect([alone.code, alone.out]).toEqual([1, expect.stringContaining("One job runs here alone: no job is added.")]);
	});

	test("takes secrets from a file, and hides them; what is not there is said", async () => {
		const pipeline = 'secrets: { TOKEN: token }\nsteps: [\'echo "[$TOKEN]"; printf "%s" "$TOKEN" | wc -c\']';
		const cwd = workingCopy({ ".windlass.yml": pipeline });
		const file = path.join(temporaryFolder(atEnd), "secrets.yml");
		writeFileSync(file, "token: of-this-machine\n");
		expect((await windlass(["exec", "--secrets", file], { cwd })).out).toContain("[***]\n15\n");
		const without = await windlass(["exec"], { cwd });
		expect([without.code, without.out]).toEqual([
			125,
			expect.stringContaining("There is no secret token. Set it in the file of --secrets."),
		]);
		writeFileSync(file, "token: five5\n");
		const short = await windlass(["exec", "--secrets", file], { cwd });
		expect([short.code, short.err]).toEqual([2, expect.stringMatching(/secrets\.yml: token has fewer than 6 bytes/)]);
		expect(short.err).not.toContain("five5");
	});

	test("runs one job; says which there are; JSON of how they ended", async () => {
		const cwd = workingCopy({ ".windlass.yml": text });
		const json = await windlass(["exec", "a", "-o", "json"], { cwd });
		expect(JSON.parse(json.out)).toEqual([{ name: "a", state: "succeeded", reason: null, exit_code: 0, outputs: { v: "x" } }]);
		expect((await windlass(["exec", "nosuch"], { cwd })).err).toContain("The pipeline has no job nosuch. Its jobs: a, b, c, g");
		expect((await windlass(["exec", "--approve", "g"], { cwd })).out).toContain("gate\n");
	});
});

describe("windlass exec, of a whole run", () => {
	test("fail_fast ends what waits, but not what comes to clean up; the time of the run is over for all of it", async () => {
		const jobs = "a: { steps: [exit 4] }, b: { steps: [true] }, c: { if: always(), steps: [echo tidy] }";
		const fast = await windlass(["exec"], { cwd: workingCopy({ ".windlass.yml": `fail_fast: true\njobs: { ${jobs} }\n` }) });
		expect([fast.code, fast.out]).toEqual([4, expect.stringContaining("» skipped b: Ended because a failed.")]);
		expect(fast.out).toContain("c | tidy\n");
		const text = "timeout: 1s\njobs: { a: { steps: [sleep 60] }, b: { steps: [true] } }\n";
		const late = await windlass(["exec"], { cwd: workingCopy({ ".windlass.yml": text }) });
		expect([late.code, late.out]).toEqual([
			124,
			expect.stringMatching(/⊘ cancelled a: The run timed out\.\n⊘ cancelled b: The run timed out\./),
		]);
	});

	test("variants of one name keep their own files; what is not run here is said", async () => {
		const text = `jobs:
  v: { name: "same\${{ run.tag }}", matrix: { x: [a, b] }, env: { X: "\${{ matrix.x }}" }, retry: { attempts: 2 }, steps: ['echo $X > $X.txt'], artifacts: { save: "*.txt" } }
  all: { needs: v, artifacts: { fetch: v }, steps: [cat a.txt b.txt] }
`;
		const cwd = workingCopy({ ".windlass.yml": text });
		const keep = path.join(temporaryFolder(atEnd), "kept");
		const told = await windlass(["exec", "--artifacts", keep], { cwd });
		expect([told.code, told.out]).toEqual([0, expect.stringContaining("all | a\nall | b\n")]);
		expect(told.err).toBe("notice: windlass exec retries no job and ignores retry of same\n");
		expect(["v-a/a.txt", "v-b/b.txt"].map((file) => readFileSync(path.join(keep, file), "utf8"))).toEqual(["a\n", "b\n"]);
		const alone = await windlass(["exec", "all"], { cwd });
		expect([alone.code, alone.out]).toEqual([125, expect.stringContaining("It fetches files of same, which does not run here.")]);
	});
});

test("a command shows its help and ends with code 0", async () => {
	const told = await windlass(["agents", "list", "--help"]);
	expect([told.code, told.out]).toEqual([0, expect.stringMatching(/Example:\n {2}windlass agents/)]);
});

test("every command rejects an output that is neither text nor JSON", async () => {
	const commands = ["lint", "exec", "run", "ls", "artifacts ls latest", "secrets ls", "agents", "agent-tokens create"];
	const told = await Promise.all(commands.map((command) => windlass([...command.split(" "), "-o", "JSON"])));
	for (const { code, err } of told) expect([code, err]).toEqual([2, expect.stringContaining("Allowed choices are text, json.")]);
});

describe("the example pipelines, run", () => {
	const has = (program: string) => spawnSync("which", [program]).status === 0;
	const run = (name: string, project: string | null, args: string[] = []) => {
		const source = project ? ["--source", workingCopy({}, path.join(ROOT, "examples/projects", project))] : ["--no-source"];
		return windlass(["run", "-f", path.join(PIPELINES, `${name}.yml`), ...source, ...args]);
	};

	test("node: tests and coverage reported, a package with its version", async () => {
		const told = await run("node", "node");
		expect([told.code, told.out], told.out).toEqual([0, expect.stringContaining("tests: 2 passed, 0 failed")]);
		expect((await windlass(["artifacts", "ls", "latest"])).out).toContain("sum-1.2.3.tgz");
	});

	test("python", async () =>
		expect(await run("python", "python")).toMatchObject({ code: 0, out: expect.stringContaining("tests: 2 passed") }));
	test.runIf(has("cmake"))("cpp", async () =>
		expect(await run("cpp", "cpp")).toMatchObject({ code: 0, out: expect.stringContaining("Release |") }),
	);
	test.runIf(has("go"))("go", async () =>
		expect(await run("go", "go")).toMatchObject({ code: 0, out: expect.stringContaining("tests: 1 passed") }),
	);
	test.runIf(has("cargo"))("rust", async () =>
		expect(await run("rust", "rust")).toMatchObject({ code: 0, out: expect.stringContaining("adds ... ") }),
	);
	test("monorepo: only what has changed", async () => {
		const cwd = workingCopy({}, path.join(ROOT, "examples/projects/monorepo"));
		copyFileSync(path.join(PIPELINES, "monorepo.yml"), path.join(cwd, ".windlass.yml"));
		writeFileSync(path.join(cwd, "web/new"), "");
		const told = await windlass(["run"], { cwd });
		expect([told.code, told.out]).toEqual([0, expect.stringContaining("api skipped, web succeeded")]);
		const local = await windlass(["exec", "api"], { cwd });
		expect([local.code, local.out]).toEqual([0, expect.stringContaining("» skipped api")]);
	});
	test("release", async () => {
		expect(await run("release", null)).toMatchObject({
			code: 2,
			err: expect.stringContaining("error: -p version: Required parameter `version` is missing."),
		});
		expect((await run("release", null, ["-p", "version=1.2.3"])).code).toBe(0);
	});
	test("nightly: what may fail is a warning", async () => {
		expect(await run("nightly", null)).toMatchObject({ code: 0, out: expect.stringContaining("1 allowed to fail") });
	});
	test("deploy: to staging at once, to production after an approval", async () => {
		expect(await run("deploy", null)).toMatchObject({ code: 0, out: expect.stringContaining("deployed to staging") });
		const { out } = await run("deploy", null, ["-p", "target=production", "-d"]);
		const id = out.trim().split("\n").at(-1) ?? "";
		const gate = await eventually(async () => {
			const { jobs } = await coordinator.get<resources.Run>(`/api/v1/runs/${id}`);
			return jobs.find((job) => job.reason?.code === "approval");
		}, "the gate");
		await windlass(["approve", gate.id]);
		expect(await windlass(["logs", "-f", id])).toMatchObject({ code: 0, out: expect.stringContaining("deployed to production") });
	});
	test("cleanup: the environment is removed however the run ended, and the log says so", async () => {
		expect(await run("cleanup", null)).toMatchObject({
			code: 3,
			out: expect.stringMatching(/down \| removed env-\d+[\s\S]*somebody should look/),
		});
	});
});
