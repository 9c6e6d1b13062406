import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorBody } from "../../schema/wire/errors.ts";
import * as resources from "../../schema/wire/resources.ts";
import { ADMIN_TOKEN, eventually, type TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

const cleanups: (() => void | Promise<void>)[] = [];
let coordinator: TestCoordinator;
beforeAll(async () => {
	coordinator = await borrowCoordinator((clean) => void cleanups.push(clean));
	await coordinator.agent("worker", { slots: "4", args: ["--labels", "gpu"] });
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

/** curl, as a person would use it. */
function curl(...args: string[]): string {
	return execFileSync("curl", ["-sS", "-H", `Authorization: Bearer ${ADMIN_TOKEN}`, ...args], { encoding: "utf8" });
}

async function refused(response: Response) {
	const body = errorBody.parse(await response.json());
	expect(response.headers.get("X-Request-Id")).toBe(body.request_id);
	expect(JSON.stringify(body)).not.toMatch(/SELECT|INSERT|SQLITE|\.ts:|at async/);
	return { status: response.status, ...body };
}

async function finished(submission: unknown) {
	const { id } = await coordinator.post<resources.Run>("/api/v1/runs", submission);
	return resources.run.parse(await coordinator.get(`/api/v1/runs/${id}/wait?timeout=60`));
}

describe("one curl submits, follows and ends with the result", () => {
	test("success", () => {
		const lines = curl("-d", '{"run": "echo one; echo two >&2; printf three"}', `${coordinator.url}/api/v1/runs?follow=1`)
			.trimEnd()
			.split("\n");
		expect(lines[0]).toMatch(/^:: run .* #\d+ http/);
		expect(lines.slice(-4)).toEqual(["one", "two", "three", "::exit 0"]);
	});

	test("failure gives the exit code of the first failing job", () => {
		expect(curl("-d", '{"run": "exit 42"}', `${coordinator.url}/api/v1/runs?follow=1`)).toMatch(/\n::exit 42\n$/);
	});

	test("a YAML file, as curl sends files", () => {
		const file = path.join(temporaryFolder(), "ci.yml");
		writeFileSync(file, "name: two\njobs:\n  a: { steps: [echo from a] }\n  b: { needs: a, steps: [echo from b] }\n");
		const text = curl("--data-binary", `@${file}`, `${coordinator.url}/api/v1/runs?follow=1`);
		expect(text).toMatch(/^a \| from a$/m);
		expect(text).toMatch(/^b \| from b$/m);
		expect(text).toMatch(/\n::exit 0\n$/);
	});

	test("timed out and cancelled have exit codes of their own", async () => {
		expect(curl("-d", '{"pipeline": {"timeout": "1s", "steps": ["sleep 20"]}}', `${coordinator.url}/api/v1/runs?follow=1`)).toMatch(
			/\n::exit 124\n$/,
		);
		const { id } = await coordinator.post<resources.Run>("/api/v1/runs", { run: "sleep 30" });
		const log = coordinator.text(`/api/v1/runs/${id}/log`);
		await coordinator.post(`/api/v1/runs/${id}/cancel`, {});
		expect(await log).toMatch(/::exit 130\n$/);
	});
});

describe("pipelines: every field does something", () => {
	test("needs, order, skipping, names and reasons", async () => {
		const run = await finished({
			pipeline: {
				name: "graph",
				jobs: {
					first: { name: "The first", steps: ["true"] },
					bad: { needs: ["first"], steps: ["exit 3"] },
					never: { needs: ["bad"], steps: ["true"] },
					other: { needs: "first", steps: ["true"] },
				},
			},
		});
		expect([run.state, run.pipeline, run.reason?.text]).toEqual(["failed", "graph", 'bad: The step "exit 3" failed with exit code 3.']);
		expect(run.jobs.map(({ key, name, state, exit_code }) => [key, name, state, exit_code])).toEqual([
			["first", "The first", "succeeded", 0],
			["bad", "bad", "failed", 3],
			["never", "never", "skipped", null],
			["other", "other", "succeeded", 0],
		]);
		expect(run.jobs[2]?.reason).toEqual({ code: "need_failed", text: "Needs bad, which failed." });
		const [first, other] = [run.jobs[0], run.jobs[3]];
		expect(Date.parse(first?.finished_at ?? "")).toBeLessThanOrEqual(Date.parse(other?.started_at ?? ""));
	});

	test("env: submission over step over job over pipeline, and the variables of Windlass; no token of the agent's", async () => {
		const run = await finished({
			env: { D: "submission" },
			pipeline: {
				env: { A: "pipeline", B: "pipeline", C: "pipeline", D: "pipeline" },
				jobs: { one: { env: { B: "job", C: "job" }, steps: [{ run: "env | sort", env: { C: "step" } }] } },
			},
		});
		const log = await coordinator.text(`/api/v1/jobs/${run.jobs[0]?.id}/log?format=raw`);
		for (const line of [
			"A=pipeline",
			"B=job",
			"C=step",
			"D=submission",
			"CI=true",
			`CI_RUN_ID=${run.id}`,
			"CI_ATTEMPT=1",
			"CI_PROJECT=adhoc",
			"CI_EVENT=api",
			`CI_RUN_URL=${coordinator.url}/runs/${run.id}`,
		]) {
			expect(log.split("\n")).toContain(line);
		}
		expect(log).not.toMatch(/WINDLASS_(TOKEN|ADMIN|SERVER)|wlr\.|wla\.|wll\.|FORCE_COLOR/);
	});

	describe("a step", () => {
		const ended = async (...steps: unknown[]) => {
			const run = await finished({ pipeline: { steps } });
			const [job] = run.jobs as [resources.Job];
			const log = await coordinator.text(`/api/v1/jobs/${job.id}/log?format=raw`);
			return { job, lines: log.split("\n").filter((line) => !line.startsWith("::")) };
		};

		test.each([
			["SIGALRM", 142],
			["SIGUSR1", 138],
			["SIGSYS", 159],
			["SIGRTMIN", 162],
			["SIGRTMAX", 192],
		])("that %s ends has the exit code of POSIX shells, %i", async (name, code) => {
			const { job } = await ended({ shell: "python3", run: `import os, signal\nos.kill(os.getpid(), signal.${name})` });
			expect([job.state, job.exit_code]).toEqual(["failed", code]);
		});

		test("that handles a signal has the time to do so, and its own exit code", async () => {
			const { job, lines } = await ended("trap 'sleep 0.3; echo handled; exit 7' TERM; kill -TERM 0; sleep 5");
			expect([job.exit_code, lines]).toEqual([7, ["handled", ""]]);
		});

		test("goes on after a signal to its group that it handles", async () => {
			const { job, lines } = await ended("trap 'echo reloaded' USR1; kill -USR1 0; sleep 0.2; echo end");
			expect([job.state, lines]).toEqual(["succeeded", ["reloaded", "end", ""]]);
		});

		test("whose PATH has no shell fails with that reason, and a hint where a variable was meant", async () => {
			const plain = await ended({ run: "ls", env: { PATH: "/opt/bin" } });
			expect(plain.job.reason).toEqual({
				code: "shell_missing",
				text: expect.stringMatching(/PATH of this step \(\S+:\/opt\/bin\)\. Install bash/),
			});
			const meant = await ended({ run: "ls", env: { PATH: "/opt/bin:$PATH" } });
			expect(meant.job.reason?.text).toContain('export PATH="/opt/bin:$PATH"');
		});

		test("after one that has removed the workspace says so", async () => {
			const { job } = await ended('rm -rf "$CI_WORKSPACE"', "echo second");
			expect(job.reason).toEqual({ code: "workspace_missing", text: expect.stringContaining("The workspace no longer exists") });
		});

		test("whose variables no program can be started with fails with their name and size", async () => {
			const long = await coordinator.request("/api/v1/runs", {
				method: "POST",
				body: JSON.stringify({ pipeline: { steps: [{ run: "true", env: { LONG: "x".repeat(131_067) } }] } }),
			});
			expect([long.status, await long.text()]).toEqual([422, expect.stringMatching(/LONG.*131072 bytes/s)]);
			const just = await ended({ run: 'echo "${#LONG}"', env: { LONG: "x".repeat(131_066) } });
			expect(just.lines).toEqual(["131066", ""]);
		});

		test("has lines that end as shells expect it, whatever the client's are", async () => {
			const { job, lines } = await ended("echo one\r\nif true; then\r\necho two\r\nfi\r\n");
			expect([job.state, lines]).toEqual(["succeeded", ["one", "two", ""]]);
		});

		test("writes braces of an expression with another dollar sign before them", async () => {
			const { lines } = await ended({ run: "echo '$${{ a }}' \"$B\"", env: { B: "$${{ params.x }}" } });
			expect(lines).toEqual(["${{ a }} ${{ params.x }}", ""]);
		});

		test("finds its output free of colors, and a folder for temporary files that is the attempt's own and gone afterwards", async () => {
			const { lines, job } = await ended('n=$(node -p "1+1"); test "$n" = 2; dirname "$(mktemp)"; test -w "$HOME"');
			expect(job.state).toBe("succeeded");
			expect(lines[0]).toMatch(/jobs\/att_\w+\/t$/);
			await eventually(async () => !existsSync(lines[0] as string), "the folder of the attempt is gone");
		});
	});

	test("shells, pipefail, working_directory, defaults", async () => {
		const run = await finished({
			pipeline: {
				defaults: { shell: "sh", working_directory: "sub", timeout: "1m" },
				jobs: {
					shells: {
						steps: [
							{ run: "mkdir sub", working_directory: "." },
							{ name: "default", run: 'basename "$PWD"; echo "shell ${BASH_VERSION:-none}"' },
							{ run: "import sys; print('python', sys.version_info[0])", shell: "python3" },
							{ run: "console.log('node', typeof process)", shell: "node" },
							{ run: "echo bash ${BASH_VERSION%%.*}", shell: "bash" },
						],
					},
					pipefail: { steps: [{ run: "false | true", shell: "bash", working_directory: "." }, "echo never"] },
					nowhere: { steps: ["true"] },
				},
			},
		});
		const log = await coordinator.text(`/api/v1/jobs/${run.jobs[0]?.id}/log?format=raw`);
		expect(log.split("\n").filter((line) => !line.startsWith("::"))).toEqual([
			"sub",
			"shell none",
			"python 3",
			"node object",
			expect.stringMatching(/^bash \d/),
			"",
		]);
		expect(run.jobs[1]).toMatchObject({ state: "failed", exit_code: 1 });
		expect(run.jobs[2]?.reason).toMatchObject({ code: "no_such_folder" });
	});

	test("runs_on: waits for a label, says so, and goes on when an agent has it", async () => {
		const { id, jobs } = await coordinator.post<resources.Run>("/api/v1/runs", { run: "true", runs_on: ["gpu", "rare"] });
		const jobId = jobs[0]?.id;
		const explained = resources.explanation.parse(await coordinator.get(`/api/v1/jobs/${jobId}/explain`));
		expect(explained).toMatchObject({
			state: "queued",
			position: 1,
			summary: expect.stringMatching(/^Waits for an agent with gpu, rare: none of \d+ has all of this\.$/),
		});
		expect(explained.agents).toContainEqual(expect.objectContaining({ name: "worker", fits: false, reason: "has no label rare" }));
		await coordinator.agent("rare-one", { args: ["--labels", "gpu,rare"] });
		expect(await coordinator.get(`/api/v1/runs/${id}/wait?timeout=30`)).toMatchObject({
			state: "succeeded",
			jobs: [{ attempts: [{ agent: { name: "rare-one" } }] }],
		});
	});

	test("retry: as often as it says, for the causes that it names, each attempt with its log", async () => {
		const run = await finished({
			pipeline: { retry: { attempts: 2, on: ["failed"] }, steps: ["echo attempt $CI_ATTEMPT; test $CI_ATTEMPT = 2"] },
		});
		expect([run.state, run.jobs[0]?.attempts.map(({ state }) => state)]).toEqual(["succeeded", ["failed", "succeeded"]]);
		expect(await coordinator.text(`/api/v1/jobs/${run.jobs[0]?.id}/log?format=raw&attempt=1`)).toContain("attempt 1\n");
		const other = await finished({ pipeline: { retry: { attempts: 3, on: ["timed_out"] }, steps: ["exit 1"] } });
		expect(other.jobs[0]?.attempts).toHaveLength(1);
	});

	test("priority: the urgent one first", async () => {
		const blocked = await Promise.all(
			["low", "high"].map((name) =>
				coordinator.post<resources.Run>("/api/v1/runs", {
					pipeline: { name, priority: name === "high" ? 50 : -50, steps: ["true"] },
					runs_on: ["prio"],
				}),
			),
		);
		await coordinator.agent("prio-one", { args: ["--labels", "prio"] });
		const [low, high] = await Promise.all(blocked.map(({ id }) => coordinator.get<resources.Run>(`/api/v1/runs/${id}/wait?timeout=30`)));
		expect(Date.parse(high?.started_at ?? "")).toBeLessThan(Date.parse(low?.started_at ?? ""));
	});

	test("artifacts: globs, also when a step failed, with Range, ETag and safe headers", async () => {
		const run = await finished({
			pipeline: {
				artifacts: { save: ["out/**", "!out/skip.txt"] },
				steps: [
					"mkdir -p out/deep; printf 0123456789 > 'out/a b.txt'; printf x > out/deep/ü.bin; : > out/empty; touch out/skip.txt no.txt; seq 500; exit 1",
				],
			},
		});
		expect(run.state).toBe("failed");
		const { items } = await coordinator.get<{ items: resources.Artifact[] }>(`/api/v1/jobs/${run.jobs[0]?.id}/artifacts`);
		expect(items.map((item) => [resources.artifact.parse(item).path, item.size])).toEqual([
			["out/a b.txt", 10],
			["out/deep/ü.bin", 1],
			["out/empty", 0],
		]);
		const url = items[0]?.url ?? "";
		const whole = await coordinator.request(url);
		expect([whole.status, await whole.text()]).toEqual([200, "0123456789"]);
		expect(whole.headers.get("Content-Disposition")).toBe("attachment; filename*=UTF-8''a%20b.txt");
		expect(whole.headers.get("X-Content-Type-Options")).toBe("nosniff");
		const part = await coordinator.request(url, { headers: { Range: "bytes=2-4" } });
		expect([part.status, await part.text(), part.headers.get("Content-Range")]).toEqual([206, "234", "bytes 2-4/10"]);
		const none = await coordinator.request(url, { headers: { Range: "bytes=10-" } });
		expect(await refused(none)).toMatchObject({ status: 416, error: "range_not_satisfiable" });
		expect((await coordinator.request(url, { headers: { "If-None-Match": whole.headers.get("ETag") ?? "" } })).status).toBe(304);
		expect((await coordinator.request(url, { headers: { "If-Match": '"another"' } })).status).toBe(412);
		for (const [etag, status, text] of [
			[whole.headers.get("ETag") ?? "", 206, "234"],
			['"another"', 200, "0123456789"],
		] as const) {
			const continued = await coordinator.request(url, { headers: { Range: "bytes=2-4", "If-Range": etag } });
			expect([continued.status, await continued.text()]).toEqual([status, text]);
		}
		// As curl and browsers ask for it: fetch unpacks it. A part of the log is a part of the
		// text.
		const log = `/api/v1/jobs/${run.jobs[0]?.id}/log`;
		// It has an ETag once it is archived.
		const asIs = await eventually(async () => {
			const answer = await coordinator.request(log, { headers: { "Accept-Encoding": "identity" } });
			return answer.headers.has("ETag") && answer;
		}, "the log is archived");
		const text = await asIs.text();
		const packed = await coordinator.request(log, { headers: { "Accept-Encoding": "gzip" } });
		expect(await packed.text()).toBe(text);
		expect(packed.headers.get("Content-Encoding")).toBe("gzip");
		const etag = asIs.headers.get("ETag") ?? "";
		const rest = await coordinator.request(log, { headers: { "Accept-Encoding": "gzip", Range: "bytes=10-", "If-Range": etag } });
		expect([rest.status, rest.headers.get("Content-Encoding"), await rest.text()]).toEqual([206, null, text.slice(10)]);
		expect(await (await coordinator.request(items[2]?.url ?? "")).text()).toBe("");
		expect(await refused(await coordinator.request(`/api/v1/jobs/${run.jobs[0]?.id}/artifacts/no.txt`))).toMatchObject({ status: 404 });
	});

	test("artifacts: a large file travels in parts", async () => {
		const run = await finished({
			pipeline: { artifacts: { save: ["big"] }, steps: ["head -c 75000000 /dev/urandom > big; sha256sum big"] },
		});
		expect(run.state).toBe("succeeded");
		const jobId = run.jobs[0]?.id;
		const { items } = await coordinator.get<{ items: resources.Artifact[] }>(`/api/v1/jobs/${jobId}/artifacts`);
		expect(await coordinator.text(`/api/v1/jobs/${jobId}/log?format=raw`)).toContain(items[0]?.sha256);
		const received = execFileSync(
			"sh",
			["-c", `curl -sS -H "Authorization: Bearer ${ADMIN_TOKEN}" ${coordinator.url}${items[0]?.url} | sha256sum`],
			{ encoding: "utf8" },
		);
		expect(received.slice(0, 64)).toBe(items[0]?.sha256);
	});
});

describe("checkout", () => {
	function repository() {
		const folder = temporaryFolder();
		const git = (...args: string[]) =>
			execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@example.com", ...args], { cwd: folder, encoding: "utf8" }).trim();
		git("init", "-q", "-b", "main");
		const commit = (text: string) => {
			writeFileSync(path.join(folder, "file"), text);
			git("add", "-A");
			git("commit", "-q", "-m", `say ${text}`);
			return git("rev-parse", "HEAD");
		};
		return { folder, git, commit };
	}

	test("a branch, a tag, a commit, the default; all jobs of a run get the same one", async () => {
		const { folder, git, commit } = repository();
		const one = commit("one");
		git("tag", "v1");
		git("checkout", "-q", "-b", "feature");
		const two = commit("two");
		git("checkout", "-q", "main");
		const three = commit("three");
		const seen = async (ref?: string) => {
			const run = await finished({
				source: { git: folder, ...(ref ? { ref } : {}) },
				pipeline: {
					jobs: { a: { steps: ["cat file; echo; env | grep CI_COMMIT | sort"] }, b: { needs: "a", steps: ["git rev-parse HEAD"] } },
				},
			});
			expect(run.state).toBe("succeeded");
			const second = await coordinator.text(`/api/v1/jobs/${run.jobs[1]?.id}/log?format=raw`);
			expect(second).toContain(`\n${run.commit?.sha}\n`);
			return { run, log: await coordinator.text(`/api/v1/jobs/${run.jobs[0]?.id}/log?format=raw`) };
		};
		const branch = await seen("feature");
		expect(branch.run).toMatchObject({
			branch: "feature",
			tag: null,
			commit: { sha: two, message: "say two", author: "T <t@example.com>" },
		});
		expect(branch.log).toContain("CI_COMMIT_BRANCH=feature\n");
		expect((await seen("v1")).run).toMatchObject({ branch: null, tag: "v1", commit: { sha: one } });
		expect((await seen(one)).run).toMatchObject({ branch: null, tag: null, commit: { sha: one } });
		expect((await seen()).run).toMatchObject({ branch: "main", commit: { sha: three } });
	});

	test("a source that cannot be checked out says why, and the job ends as errored, not failed", async () => {
		const { folder, commit } = repository();
		commit("one");
		const gone = await finished({ source: { git: folder, ref: "nope" }, pipeline: { steps: ["true"] } });
		expect([gone.state, gone.jobs[0]?.reason]).toEqual([
			"errored",
			{ code: "checkout_failed", text: "The repository has no branch, tag or commit nope. Branches: main." },
		]);
		const nowhere = await finished({ source: { git: "/nonexistent/repository" }, pipeline: { steps: ["true"] } });
		expect(nowhere.jobs[0]?.reason?.code).toBe("checkout_failed");
		expect(
			curl("-d", JSON.stringify({ source: { git: folder, ref: "nope" }, run: "true" }), `${coordinator.url}/api/v1/runs?follow=1`),
		).toMatch(/::exit 125\n$/);
	});
});

describe("logs", () => {
	test("formats, ranges, and the same bytes live and finished", async () => {
		const { id, jobs } = await coordinator.post<resources.Run>("/api/v1/runs", {
			run: "printf '\\033[31mred\\033[0m\\n'; printf 'b\\000\\377ytes\\n'; echo end; sleep 2",
		});
		const address = `/api/v1/jobs/${jobs[0]?.id}/log`;
		const live = await eventually(async () => {
			const text = await coordinator.text(address);
			return text.includes(" end\n") ? text : null;
		}, "the live log");
		expect(live).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z :: /);
		const livePart = await coordinator.request(address, { headers: { Range: "bytes=25-40" } });
		await coordinator.get(`/api/v1/runs/${id}/wait`);
		const whole = new Uint8Array(await (await coordinator.request(address)).arrayBuffer());
		expect(new TextDecoder().decode(whole)).toBe(live);
		expect(Buffer.from(whole).includes(Buffer.from([0x62, 0, 0xff, 0x79]))).toBe(true);
		const part = await coordinator.request(address, { headers: { Range: "bytes=25-40" } });
		expect([part.status, part.headers.get("Content-Range")]).toEqual([206, `bytes 25-40/${whole.byteLength}`]);
		expect(await part.text()).toBe(await livePart.text());
		expect(await coordinator.text(`${address}?format=raw`)).toContain("\x1b[31mred\x1b[0m\n");
		expect(await coordinator.text(`${address}?format=clean`)).toContain("\nred\n");
		expect(await refused(await coordinator.request(address, { headers: { Range: "bytes=99999999-" } }))).toMatchObject({ status: 416 });
		expect(await refused(await coordinator.request(`${address}?attempt=9`))).toMatchObject({ status: 404 });
	});

	test("a watched log is on its way within a second, as events that can be resumed", async () => {
		const { jobs } = await coordinator.post<resources.Run>("/api/v1/runs", {
			run: "echo first; sleep 3; echo printed $(date +%s%3N); sleep 3",
		});
		const address = `/api/v1/jobs/${jobs[0]?.id}/log`;
		const response = await coordinator.request(address, { headers: { Accept: "text/event-stream" } });
		expect(response.headers.get("Content-Type")).toContain("text/event-stream");
		let text = "";
		for await (const chunk of response.body as ReadableStream<Uint8Array>) {
			text += new TextDecoder().decode(chunk);
			const printed = /printed (\d{13})/.exec(text);
			if (!printed) continue;
			expect(Date.now() - Number(printed[1])).toBeLessThan(1_000);
			break;
		}
		const [, offset] = /^id: (\d+-\d+)\n(?:data: .*\n)*data: .*first\n/m.exec(text) ?? [];
		const resumed = await (
			await coordinator.request(address, { headers: { Accept: "text/event-stream", "Last-Event-ID": offset ?? "" } })
		).text();
		expect(resumed).not.toContain("first");
		expect(resumed).toContain("printed");
		expect(resumed).toMatch(/event: end\ndata: {"state":"succeeded"}\n\n$/);
	});
});

describe("submission", () => {
	test("an Idempotency-Key gives the same run again, also while following; other content is rejected", async () => {
		const headers = { "Idempotency-Key": "key-1" };
		const post = (run: string, query = "") =>
			coordinator.request(`/api/v1/runs${query}`, { method: "POST", headers, body: JSON.stringify({ run }) });
		const [first, second] = [await post("echo once"), await post("echo once")];
		const ids = [((await first.json()) as resources.Run).id, ((await second.json()) as resources.Run).id];
		expect([first.status, second.status, ids[0] === ids[1]]).toEqual([201, 201, true]);
		expect([first.headers.get("Idempotent-Replayed"), second.headers.get("Idempotent-Replayed")]).toEqual([null, "true"]);
		await coordinator.get(`/api/v1/runs/${ids[0]}/wait`);
		expect(await (await post("echo once", "?follow=1")).text()).toMatch(new RegExp(`${ids[0]}\\n[^]*once\\n::exit 0\\n$`));
		expect(await refused(await post("echo twice"))).toMatchObject({ status: 409, error: "conflict", details: { run_id: ids[0] } });
	});

	test.each([
		["{", "application/json", 400, "malformed", /line 1, column 2/],
		["steps: [a", "application/yaml", 400, "malformed", /Line 1, column 10/],
		["", "application/yaml", 400, "malformed", /empty/],
		['{"run": "x", "paralel": 2}', "application/json", 422, "validation_failed", /Unknown key `paralel` in the submission/],
		["jobs:\n  a:\n    stepz: [x]\n", "text/yaml", 422, "validation_failed", /stepz/],
		[
			'{"pipeline": {"steps": ["a"], "interruptible": true}}',
			"application/json",
			422,
			"validation_failed",
			/Unknown key `interruptible` in the pipeline/,
		],
	])("%j is refused with its place", async (body, type, status, error, message) => {
		const response = await coordinator.request("/api/v1/runs", { method: "POST", body, headers: { "Content-Type": type } });
		const answer = await refused(response);
		expect([answer.status, answer.error]).toEqual([status, error]);
		expect(answer.message).toMatch(message);
	});

	test("all errors come at once, each with line, column and a suggestion", async () => {
		const body = "jobs:\n  build:\n    steps: [make]\n    timeout: 5\n  test:\n    needs: [biuld]\n    stepz: [x]\n";
		const { details } = await refused(await coordinator.request("/api/v1/runs", { method: "POST", body }));
		expect(
			(details.errors as { line: number; column: number; suggestion: string }[]).map(({ line, column, suggestion }) => [
				line,
				column,
				suggestion,
			]),
		).toEqual([
			[4, 14, null],
			[6, 5, null],
			[6, 13, "Did you mean `build`?"],
			[7, 5, "Did you mean `steps`?"],
		]);
	});

	test("a body that is too large is rejected before it is read", async () => {
		const result = spawnSync(
			"curl",
			[
				"-sS",
				"-o",
				"/dev/null",
				"-w",
				"%{http_code}",
				"-H",
				`Authorization: Bearer ${ADMIN_TOKEN}`,
				"-H",
				"Expect:",
				"--data-binary",
				"@-",
				`${coordinator.url}/api/v1/runs`,
			],
			{ input: "x".repeat(10 * 1024 * 1024 + 1), encoding: "utf8" },
		);
		expect(result.stdout).toBe("413");
	});
});

describe("reads", () => {
	test("lists have pages and filters, and unknown parameters are rejected", async () => {
		for (let index = 0; index < 3; index += 1) await finished({ run: "true", project: "paged" });
		const first = await eventually(async () => {
			const page = await coordinator.get<resources.Page<resources.RunSummary>>("/api/v1/runs?project=paged&limit=2");
			// Lists come from the record, which is a moment behind.
			return page.items[0]?.number === 3 && page.items.every((run) => run.state === "succeeded") ? page : null;
		}, "the list");
		const second = await coordinator.get<resources.Page<resources.RunSummary>>(
			`/api/v1/runs?project=paged&limit=2&cursor=${first.next_cursor}`,
		);
		expect([...first.items, ...second.items].map((item) => resources.runSummary.parse(item).number)).toEqual([3, 2, 1]);
		expect(second.next_cursor).toBeNull();
		const jobs = await coordinator.get<resources.Page<resources.JobSummary>>(`/api/v1/jobs?run=${first.items[0]?.id}&state=succeeded`);
		expect(jobs.items.map((item) => resources.jobSummary.parse(item).key)).toEqual(["main"]);
		for (const address of ["/api/v1/runs?stat=failed", "/api/v1/runs?state=failing", "/api/v1/runs?limit=0", "/api/v1/jobs?limit=201"]) {
			expect(await refused(await coordinator.request(address))).toMatchObject({ status: 422 });
		}
		const { items } = await coordinator.get<{ items: unknown[] }>("/api/v1/agents");
		expect(items.map((item) => resources.agent.parse(item).name)).toContain("worker");
	});

	test("wait: 202 while it runs, 200 when it is over", async () => {
		const { id } = await coordinator.post<resources.Run>("/api/v1/runs", { run: "sleep 2" });
		expect((await coordinator.request(`/api/v1/runs/${id}/wait?timeout=0`)).status).toBe(202);
		expect((await coordinator.request(`/api/v1/runs/${id}/wait?timeout=30`)).status).toBe(200);
	});

	test("events report every change, and a client can resume them", async () => {
		const response = await coordinator.request("/api/v1/events", { headers: { Accept: "text/event-stream" } });
		const run = await finished({ run: "true", project: "events" });
		let text = "";
		for await (const chunk of response.body as ReadableStream<Uint8Array>) {
			text += new TextDecoder().decode(chunk);
			if (text.includes(`"id":"${run.id}"`) && text.includes('"state":"succeeded"')) break;
		}
		expect(text).toMatch(/event: run\nid: \d+\ndata: {/);
		const [, id = ""] = /^id: (\d+)$/m.exec(text) ?? [];
		const resumed = await coordinator.request("/api/v1/events", { headers: { "Last-Event-ID": String(Number(id) - 1) } });
		for await (const chunk of resumed.body as ReadableStream<Uint8Array>) {
			text = new TextDecoder().decode(chunk);
			if (text.includes(run.id)) break;
		}
		expect(text).toContain(run.id);
		const reset = await coordinator.request("/api/v1/events", { headers: { "Last-Event-ID": "999999999" } });
		for await (const chunk of reset.body as ReadableStream<Uint8Array>) {
			expect(new TextDecoder().decode(chunk)).toContain("event: reset");
			break;
		}
	});

	test("unknown ids, wrong methods, no token, a wrong token", async () => {
		const unknown = "01J00000000000000000000000";
		for (const address of [`/api/v1/runs/run_${unknown}`, `/api/v1/jobs/job_${unknown}/log`, "/api/v1/nothing", "/api/v1/jobs/%00"]) {
			expect(await refused(await coordinator.request(address))).toMatchObject({ status: 404, error: "not_found" });
		}
		const wrong = await coordinator.request("/api/v1/runs", { method: "PUT" });
		expect(wrong.headers.get("Allow")).toBe("POST, GET, HEAD");
		expect(await refused(wrong)).toMatchObject({ status: 405, error: "method_not_allowed" });
		for (const token of [null, "wrong", "wla.default.agt_01J00000000000000000000000.x", "wlr.other.x", "wll.x.y.z", "wlh.x"]) {
			expect(await refused(await coordinator.request("/api/v1/runs", { token }))).toMatchObject({
				status: 401,
			});
		}
		expect(await refused(await coordinator.request("/api/v1/runs/%zz"))).toMatchObject({ status: 400 });
	});

	test("health, readiness, version: for anyone", async () => {
		for (const address of ["/healthz", "/readyz", "/version"])
			expect((await coordinator.request(address, { token: null })).status).toBe(200);
		expect(await coordinator.get("/version")).toMatchObject({ name: "windlass", protocol: 2 });
	});
});
