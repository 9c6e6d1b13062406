import { createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Delivery } from "../../schema/wire/deliveries.ts";
import type { Undelivered } from "../../schema/wire/notifications.ts";
import type { StoredPipeline, WholePipeline } from "../../schema/wire/pipelines.ts";
import type { Page, Run, RunSummary } from "../../schema/wire/resources.ts";
import type { Schedule } from "../../schema/wire/schedules.ts";
import { genericDelivery, RecordingServer } from "../support/forge.ts";
import { GitHttp } from "../support/git_http.ts";
import { ADMIN_TOKEN, eventually, Program, type TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** What runs by itself, what is kept here, and who is told. */

const HOOK_SECRET = "the-secret-of-the-hook";

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let git: GitHttp;
beforeAll(async () => {
	coordinator = await borrowCoordinator(atEnd);
	await coordinator.agent("builder", { slots: "4" });
	git = await GitHttp.start(path.join(temporaryFolder(atEnd), "git"), null, atEnd);
	await secret("hook", HOOK_SECRET);
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

const request = (method: string, address: string, body?: unknown, at = coordinator) =>
	at.request(`/api/v1${address}`, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
const answer = async <Body>(method: string, address: string, body?: unknown): Promise<Body> => {
	const response = await request(method, address, body);
	if (!response.ok) throw new Error(`${method} ${address}: ${response.status} ${await response.text()}`);
	return (await response.json()) as Body;
};
const refused = async (method: string, address: string, body?: unknown) => {
	const response = await request(method, address, body);
	return `${response.status} ${((await response.json()) as { message: string }).message}`;
};
const secret = (name: string, value: string) => request("PUT", `/secrets/${name}`, { value });
const wait = (id: string) => coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
const logOf = async (run: Run) => coordinator.text(`/api/v1/jobs/${run.jobs[0]?.id}/log?format=raw`);

/** The runs that a plan has made, once they are over. */
async function planned(planId: string): Promise<Run[]> {
	const plan = await wait(planId);
	return Promise.all(Object.values(plan.jobs[0]?.outputs ?? {}).flatMap((id) => (id.startsWith("run_") ? [wait(id)] : [])));
}

async function push(projectId: string, after: string): Promise<string> {
	const { headers, body } = genericDelivery({ ref: "refs/heads/main", after }, HOOK_SECRET);
	const response = await coordinator.request(`/hooks/${projectId}`, { method: "POST", token: null, headers, body });
	return ((await response.json()) as { run_id: string }).run_id;
}

describe("schedules", () => {
	test("that a file of the default branch asks for come and go with it, and keep a pause", async () => {
		const file = (cron: string) => `on: { push: {}, schedule: [{ cron: '${cron}', timezone: Europe/Berlin }] }\nsteps: [true]`;
		const repository = git.add("timed.git", { ".windlass.yml": file("0 3 * * *") });
		const { id } = await answer<{ id: string }>("POST", "/projects", { name: "timed", repository, hook_secret: "hook" });
		const schedules = async () => (await answer<Page<Schedule>>("GET", "/projects/timed/schedules")).items;
		await planned(await push(id, git.commit("timed.git", { a: "1" })));
		const [first] = await schedules();
		expect(first).toMatchObject({ origin: "file", cron: "0 3 * * *", timezone: "Europe/Berlin", file: ".windlass.yml", paused_by: null });
		expect(first?.next).toHaveLength(5);
		expect(first?.next[0]).toMatch(/T0[12]:00:00\.000Z$/);
		await answer("PATCH", `/schedules/${first?.id}`, { paused: true });
		await planned(await push(id, git.commit("timed.git", { a: "2" })));
		expect((await schedules()).map(({ id: same, paused_by, next }) => [same, paused_by, next])).toEqual([[first?.id, "admin", []]]);
		expect(await refused("DELETE", `/schedules/${first?.id}`)).toMatch(
			/^409 The file \.windlass\.yml of the repository asks for this schedule/,
		);
		await planned(await push(id, git.commit("timed.git", { ".windlass.yml": file("30 4 * * *") })));
		expect((await schedules()).map(({ cron, paused_by }) => [cron, paused_by])).toEqual([["30 4 * * *", null]]);
		// What an earlier delivery said does not come back, however often it is taken.
		const delivered = (await answer<Page<Delivery>>("GET", "/projects/timed/deliveries")).items;
		await planned((await answer<Run>("POST", `/deliveries/${delivered.at(-1)?.id}/replay`)).id);
		expect((await schedules()).map(({ cron }) => cron)).toEqual(["30 4 * * *"]);
		const twice = "on: { push: {}, schedule: [{ cron: '30 4 * * *' }, { cron: '30 4 * * *', timezone: UTC }] }\nsteps: [true]";
		for (const a of ["3", "4"]) await planned(await push(id, git.commit("timed.git", { ".windlass.yml": twice, a })));
		expect((await schedules()).map(({ cron, timezone }) => [cron, timezone])).toEqual([["30 4 * * *", "UTC"]]);
		// Another branch says nothing of when the project runs.
		git.branch("timed.git", "other");
		const aside = git.commit("timed.git", { ".windlass.yml": file("15 5 * * *") });
		const { headers, body } = genericDelivery({ ref: "refs/heads/other", after: aside }, HOOK_SECRET);
		const ofOther = await coordinator.request(`/hooks/${id}`, { method: "POST", token: null, headers, body });
		await planned(((await ofOther.json()) as { run_id: string }).run_id);
		expect((await schedules()).map(({ cron }) => cron)).toEqual(["30 4 * * *"]);
		git.checkout("timed.git", "main");
		// A commit that asks for nothing to be run takes them away all the same.
		const last = git.commit("timed.git", { ".windlass.yml": "steps: [true]" }, "No more [skip ci]");
		expect(await planned(await push(id, last))).toEqual([]);
		expect(await schedules()).toEqual([]);
	});

	test("that a person creates run the named pipeline with its parameters, as their own event; errors are rejected", async () => {
		const repository = git.add("clock.git", {
			".windlass/a.yml":
				"params: { who: { default: nobody } }\njobs: { a: { env: { WHO: '${{ params.who }}' }, steps: ['echo \"$CI_EVENT for $WHO on $CI_COMMIT_BRANCH\"'] } }",
			".windlass/b.yml": "on: { push: { branches: none } }\nsteps: [true]",
		});
		await answer("POST", "/projects", { name: "clock", repository });
		const kept = await answer<StoredPipeline>("POST", "/pipelines", {
			name: "kept",
			project: "clock",
			yaml: "steps: ['echo \"kept $CI_EVENT\"']",
		});
		const make = (body: object) => answer<Schedule>("POST", "/projects/clock/schedules", body);
		const every = { cron: "* * * * *" };
		const [ofFile, ofAll, ofKept] = [
			await make({ ...every, file: ".windlass/a.yml", params: { who: "ada" } }),
			await make(every),
			await make({ ...every, pipeline: kept.id }),
		];
		const done = (id: string) =>
			eventually(async () => (await answer<Schedule>("GET", `/schedules/${id}`)).run_id, `the schedule ${id} has run`, 90_000);
		const [fileRun] = await planned(await done(ofFile.id));
		expect(fileRun).toMatchObject({ state: "succeeded", trigger: { kind: "schedule", actor: "a schedule" }, params: { who: "ada" } });
		expect(await logOf(fileRun as Run)).toContain("\nschedule for ada on main\n");
		expect((await planned(await done(ofAll.id))).map(({ pipeline }) => pipeline)).toEqual(["a"]);
		const keptRun = await wait(await done(ofKept.id));
		expect([keptRun.pipeline, keptRun.file]).toEqual(["kept", "kept@1"]);
		expect(await logOf(keptRun)).toContain("kept schedule");
		for (const { id } of [ofFile, ofAll, ofKept]) expect((await request("DELETE", `/schedules/${id}`)).status).toBe(204);
		expect(await refused("POST", "/projects/clock/schedules", { cron: "every day" })).toMatch(
			/^422 cron: "every day" is not a cron pattern/,
		);
		expect(await refused("POST", "/projects/clock/schedules", { ...every, timezone: "Mars" })).toMatch(/^422 timezone: is not a time zone/);
		expect(await refused("POST", "/projects/clock/schedules", { ...every, pipeline: kept.id, file: "a.yml" })).toMatch(/^422/);
		expect(await refused("POST", "/projects/none/schedules", every)).toMatch(/^404/);
		expect(await refused("PATCH", "/schedules/sch_none", { paused: true })).toMatch(/^404/);
		await answer("POST", "/projects", { name: "empty" });
		expect(await refused("POST", "/projects/empty/schedules", every)).toMatch(/^409 The project empty has no repository/);
	}, 120_000);
});

describe("asking for a project to be run", () => {
	test("runs what a push of a branch or a tag of it would run, or the file that is named", async () => {
		const repository = git.add("asked.git", {
			".windlass.yml": "on: { push: { branches: main } }\nsteps: ['echo \"$CI_EVENT $CI_COMMIT_REF\"']",
		});
		await answer("POST", "/projects", { name: "asked", repository });
		git.ref("asked.git", "refs/tags/v1", git.commit("asked.git", { a: "1" }));
		const ask = async (body: object) => (await planned((await answer<Run>("POST", "/projects/asked/trigger", body)).id))[0] as Run;
		expect(await logOf(await ask({}))).toContain("manual main");
		expect(await logOf(await ask({ tag: "v1", file: ".windlass.yml" }))).toContain("manual v1");
		const { id } = await answer<Run>("POST", "/projects/asked/trigger", { tag: "v1" });
		expect((await wait(id)).jobs[0]?.outputs).toEqual({ ".windlass.yml": "not run: its `on.push` has branches only" });
		expect(await ask({ file: ".windlass/nope.yml" })).toMatchObject({
			pipeline: "nope",
			state: "errored",
			reason: { code: "config_invalid", text: ".windlass/nope.yml: The file does not exist at this commit." },
		});
		expect(await refused("POST", "/projects/asked/trigger", { tag: "v1", branch: "main" })).toMatch(/^422/);
		expect(await refused("POST", "/projects/empty-one/trigger", {})).toMatch(/^404/);
	});
});

describe("pipelines that are kept here", () => {
	test("have versions that never change; a change of an old version is rejected; each can be restored", async () => {
		const yaml =
			"# ünï cödé\nname: kept\nparams: { who: { required: true } }\nsteps:\n  - { run: 'echo hello $WHO', env: { WHO: '${{ params.who }}' } }\n";
		const made = await answer<StoredPipeline>("POST", "/pipelines", { name: "versions", yaml });
		expect(made).toMatchObject({ id: expect.stringMatching(/^pip_/), name: "versions", project: "adhoc", version: 1 });
		expect(await refused("POST", "/pipelines", { name: "versions", yaml })).toMatch(
			/^409 The project adhoc already has a pipeline versions/,
		);
		// What was uploaded is there for a day only; when it is triggered, it must be there.
		const uploaded = "steps: [true]\nsource: { upload: src_01J00000000000000000000000 }";
		expect(await refused("POST", "/pipelines", { name: "uploaded", yaml: uploaded })).toMatch(
			/^422 Line 2, column 11: source\.upload: An upload is deleted after a day/,
		);
		const missing = { params: { who: "x" }, source: { upload: "src_01J00000000000000000000000" } };
		expect(await refused("POST", `/pipelines/${made.id}/trigger`, missing)).toMatch(
			/^422 source.upload: The uploaded source .* does not exist/,
		);
		expect(await refused("POST", "/pipelines", { name: "broken", yaml: "stepz: 3" })).toMatch(/^422 Line 1, column 1: stepz: Unknown key/);
		const changed = yaml.replace("hello", "goodbye");
		const put = (version: number, text: string) => request("PUT", `/pipelines/${made.id}`, { yaml: text, version });
		expect((await put(1, changed)).status).toBe(200);
		const stale = await put(1, yaml);
		expect([stale.status, await stale.json()]).toMatchObject([
			409,
			{ message: "Version 1 is not the newest version of versions.", details: { version: 2 } },
		]);
		// Of many at once one wins.
		const raced = await Promise.all(Array.from({ length: 10 }, (_, index) => put(2, `${changed}# ${index}\n`)));
		expect(raced.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(409)]);
		const text = async (number: number) =>
			Buffer.from(await (await request("GET", `/pipelines/${made.id}/versions/${number}`)).arrayBuffer());
		expect([await text(1), await text(2)]).toEqual([Buffer.from(yaml), Buffer.from(changed)]);
		const diff = await (await request("GET", `/pipelines/${made.id}/versions/2/diff`)).text();
		expect(diff).toContain("--- versions@1\n+++ versions@2\n");
		expect(diff).toMatch(/-.*hello.*\n\+.*goodbye/);
		expect((await answer<StoredPipeline>("POST", `/pipelines/${made.id}/versions/1/restore`)).version).toBe(4);
		const { items } = await answer<Page<{ number: number; restores: number | null }>>("GET", `/pipelines/${made.id}/versions?limit=2`);
		expect(items).toMatchObject([
			{ number: 4, restores: 1 },
			{ number: 3, restores: null },
		]);
		expect((await answer<WholePipeline>("GET", `/pipelines/${made.id}`)).yaml).toBe(yaml);
		const run = await wait((await answer<Run>("POST", `/pipelines/${made.id}/trigger`, { params: { who: "Ada" } })).id);
		expect([run.state, run.pipeline, run.file, run.project]).toEqual(["succeeded", "kept", "versions@4", "adhoc"]);
		expect(await logOf(run)).toContain("\nhello Ada\n");
		expect(await refused("POST", `/pipelines/${made.id}/trigger`, {})).toMatch(/^422 .*params\.who: Required parameter `who` is missing/);
		expect(await refused("POST", `/pipelines/${made.id}/trigger`, { project: "x" })).toMatch(
			/^422 project: is already set by the stored pipeline/,
		);
		expect(await refused("GET", `/pipelines/${made.id}/versions/9`)).toMatch(/^404 The pipeline versions has no version 9/);
		expect((await request("DELETE", `/pipelines/${made.id}`)).status).toBe(204);
		expect(await refused("GET", `/pipelines/${made.id}`)).toMatch(/^404/);
		expect((await coordinator.get<Run>(`/api/v1/runs/${run.id}`)).state).toBe("succeeded");
	});

	test("come as a form, under three names; other bodies, and larger ones, are rejected", async () => {
		const upload = (parts: Record<string, string | Blob>, filename?: string) => {
			const form = new FormData();
			for (const [name, value] of Object.entries(parts)) {
				if (typeof value === "string") form.set(name, value);
				else form.set(name, value, filename);
			}
			return coordinator.request("/api/v1/pipelines/upload", { method: "POST", body: form });
		};
		const first = await upload({ file: new Blob(["steps: [true]"]) }, "from-a-file.yml");
		expect([first.status, await first.json()]).toMatchObject([201, { name: "from-a-file", version: 1 }]);
		const same = await upload({ pipeline: "steps: [true]", name: "from-a-file" });
		expect([same.status, await same.json()]).toMatchObject([200, { version: 1 }]);
		const other = await upload({ yaml: "steps: [false]", name: "from-a-file" });
		expect([other.status, await other.json()]).toMatchObject([200, { version: 2 }]);
		// Byte for byte, a mark of the byte order included.
		const marked = new Blob(["\ufeffsteps: [true]\n"]);
		const { id } = (await (await upload({ file: marked }, "marked.yml")).json()) as { id: string };
		const kept = Buffer.from(await (await request("GET", `/pipelines/${id}/versions/1`)).arrayBuffer());
		expect(kept).toEqual(Buffer.from(await marked.arrayBuffer()));
		expect((await upload({ yaml: "a", file: "b", name: "x" })).status).toBe(422);
		expect((await upload({ name: "x" })).status).toBe(422);
		expect((await upload({ yaml: "steps: [", name: "x" })).status).toBe(400);
		expect((await upload({ yaml: " ".repeat(10 * 1024 * 1024 + 1), name: "x" })).status).toBe(413);
		const noForm = await coordinator.request("/api/v1/pipelines/upload", {
			method: "POST",
			body: "steps: [true]",
			headers: { "Content-Type": "text/plain" },
		});
		expect([noForm.status, await noForm.json()]).toMatchObject([415, { error: "unsupported_media_type" }]);
	});
});

describe("notifications", () => {
	beforeAll(async () => void (await secret("webhook_key", "the-key-of-the-webhook")));

	test("of a start, a success, a failure and what ends it; signed, or as Slack wants it; as a test", async () => {
		const chat = await RecordingServer.start(atEnd);
		await secret("slack_address", `${chat.url}/slack`);
		const submit = async (exit: string, branch = "main") => {
			const pipeline = {
				name: "told",
				notify: [{ on: ["start", "success", "failure"], webhook: `${chat.url}/hook`, secret: "webhook_key" }, { slack: "slack_address" }],
				jobs: { unit: { steps: [exit] } },
			};
			return wait((await answer<Run>("POST", "/runs", { pipeline, project: "telling", branch })).id);
		};
		const failed = await submit("exit 1");
		await chat.until((told) => told.length === 3, "three messages");
		const fixed = await submit("true");
		await chat.until((told) => told.length === 6, "six messages");
		// A success after a success is nothing to be told to who waits for the end of a failure.
		await submit("true");
		await chat.until((told) => told.length === 8, "eight messages");
		const hooks = chat.told.filter(({ path: where }) => where === "/hook");
		expect(hooks.map(({ body }) => body.type)).toEqual([
			"run.start",
			"run.failure",
			"run.start",
			"run.success",
			"run.start",
			"run.success",
		]);
		for (const { headers, body } of hooks) {
			const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${JSON.stringify(body)}`;
			const signature = createHmac("sha256", "the-key-of-the-webhook").update(signed).digest("base64");
			expect(headers["webhook-signature"]).toBe(`v1,${signature}`);
		}
		expect(hooks[1]?.body).toMatchObject({
			is_test: false,
			data: { id: failed.id, state: "failed", pipeline: "told", project: "telling" },
		});
		const texts = chat.told.filter(({ path: where }) => where === "/slack").map(({ body }) => String(body.text));
		expect(texts).toHaveLength(2);
		expect(texts[0]).toMatch(
			new RegExp(`^:x: telling: told #${failed.number} failed after .*\\nmain\\nunit: The step "exit 1" failed`, "s"),
		);
		expect(texts[1]).toMatch(new RegExp(`^:white_check_mark: telling: told #${fixed.number} is fixed`));
		expect(await answer("POST", `/runs/${fixed.id}/notify`)).toEqual({ notified: 2 });
		await chat.until((told) => told.length === 10, "the two tests");
		expect(chat.told.slice(8).map(({ body }) => body.is_test ?? String(body.text).startsWith("Test: "))).toEqual([true, true]);
	});

	test.each([[["fixed", "success"]], [["success", "fixed"]]])(
		"on %j: the first success after a failure is sent once, as fixed",
		async (on) => {
			const chat = await RecordingServer.start(atEnd);
			const run = async (pipeline: object) =>
				wait((await answer<Run>("POST", "/runs", { pipeline, project: "telling", branch: on[0] })).id);
			const name = on.join(" ");
			await run({ name, jobs: { unit: { steps: ["exit 1"] } } });
			const notify = [{ on, webhook: `${chat.url}/both`, secret: "webhook_key" }];
			for (const _ of [1, 2]) await run({ name, notify, steps: ["true"] });
			await chat.until((told) => told.length === 2, "a message for each success");
			expect(chat.told.map(({ body }) => body.type)).toEqual(["run.fixed", "run.success"]);
		},
	);

	test("as often as it takes, by the same name; not what says no, and not who may not be asked", async () => {
		const chat = await RecordingServer.start(atEnd);
		let left = 2;
		chat.respond = (_, response) => {
			left -= 1;
			if (left < 0) return false;
			response.writeHead(left === 1 ? 500 : 503, { "Retry-After": "0" }).end("not now");
			return true;
		};
		await answer("POST", "/projects", { name: "undelivered" });
		const submit = (webhook: string) =>
			answer<Run>("POST", "/runs", {
				pipeline: { notify: { on: "success", webhook, secret: "webhook_key" }, steps: ["true"] },
				project: "undelivered",
			});
		await submit(`${chat.url}/hook`);
		await chat.until((told) => told.length === 1, "the message");
		expect(new Set([...chat.told, ...chat.turnedAway].map(({ headers }) => headers["webhook-id"])).size).toBe(1);
		expect(chat.turnedAway).toHaveLength(2);
		chat.respond = (_, response) => {
			response.writeHead(404).end("nobody here");
			return true;
		};
		await submit(`${chat.url}/gone`);
		await submit("http://127.0.0.2:9/hook");
		// The address of a Slack webhook is its secret: who answers may repeat it, and it is told to nobody.
		const slack = await RecordingServer.start(atEnd);
		slack.respond = ({ path: where }, response) => {
			response.writeHead(where.endsWith("Moved") ? 301 : 404, { Location: where }).end(`there is no ${where}`);
			return true;
		};
		for (const name of ["Moved", "Gone"]) {
			await secret(`slack_${name}`, `${slack.url}/services/T0/B0/SecretPath${name}`);
			const pipeline = { notify: { on: "success", slack: `slack_${name}` }, steps: ["true"] };
			await answer<Run>("POST", "/runs", { pipeline, project: "undelivered" });
		}
		const undelivered = async () => (await answer<Page<Undelivered>>("GET", "/projects/undelivered/undelivered")).items;
		const given = await eventually(async () => {
			const items = (await undelivered()).filter(({ given_up }) => given_up);
			return items.length === 4 && items;
		}, "all are given up");
		expect(given.map(({ error }) => error)).toEqual(
			expect.arrayContaining([
				expect.stringContaining(`${new URL(chat.url).host} answers 404: nobody here`),
				expect.stringContaining("This coordinator may not connect to 127.0.0.2"),
				`${new URL(slack.url).host} answers 404: there is no ***`,
				`${new URL(slack.url).host} redirects to ${slack.url}, which is not followed. Set the address to that server`,
			]),
		);
		expect(coordinator.program.output).not.toContain("SecretPath");
		expect((await coordinator.get<{ status: string }>("/readyz")).status).toBe("ready");
	});
});

describe("a badge", () => {
	test("shows how a branch, a pipeline or a job stands; to everybody only where the project says so", async () => {
		await answer("POST", "/projects", { name: "badged" });
		const run = async (branch: string, jobs: Record<string, string>) => {
			const pipeline = { name: "ci", jobs: Object.fromEntries(Object.entries(jobs).map(([key, step]) => [key, { steps: [step] }])) };
			const { id } = await wait((await answer<Run>("POST", "/runs", { pipeline, project: "badged", branch })).id);
			await eventually(
				async () => (await answer<Page<RunSummary>>("GET", "/runs?project=badged")).items.some((one) => one.id === id && one.finished_at),
				"recorded",
			);
		};
		const message = async (query = "") =>
			((await (await coordinator.request(`/badge/badged.json${query}`)).json()) as { message: string }).message;
		expect(await message()).toBe("no runs");
		await run("main", { unit: "true", lint: "exit 1" });
		await run("dev", { unit: "true" });
		expect([await message(), await message("?branch=dev"), await message("?job=unit"), await message("?job=lint")]).toEqual([
			"failed",
			"passing",
			"passing",
			"failed",
		]);
		expect([await message("?pipeline=ci"), await message("?pipeline=other")]).toEqual(["failed", "no runs"]);
		expect((await coordinator.request("/badge/badged.json?job=none")).status).toBe(404);
		// What the files of the repository say of a commit is what counts, whoever runs something beside it.
		const repository = git.add("badged.git", {
			".windlass/a.yml": "jobs: { lint: { steps: [exit 1] } }",
			".windlass/z.yml": "jobs: { unit: { steps: [true] } }",
		});
		await answer("PATCH", "/projects/badged", { repository });
		await planned((await answer<Run>("POST", "/projects/badged/trigger", {})).id);
		await run("main", { debugging: "true" });
		await eventually(async () => (await message("?pipeline=z")) === "passing", "the second file's run is recorded");
		expect([await message(), await message("?job=unit"), await message("?job=lint")]).toEqual(["failed", "passing", "failed"]);
		expect((await coordinator.request("/badge/badged.svg?color=red")).status).toBe(422);
		const svg = await coordinator.request("/badge/badged.svg");
		expect([svg.status, svg.headers.get("Content-Type")]).toEqual([200, "image/svg+xml; charset=utf-8"]);
		expect(await svg.text()).toContain("<title>badged: failed</title>");
		const etag = svg.headers.get("ETag") ?? "";
		const known = await coordinator.request("/badge/badged.svg", { headers: { "If-None-Match": etag } });
		expect([known.status, await known.text()]).toEqual([304, ""]);
		expect((await coordinator.request("/badge/badged.svg", { token: null })).status).toBe(404);
		await answer("PATCH", "/projects/badged", { public_badges: true });
		expect((await coordinator.request("/badge/badged.svg", { token: null })).status).toBe(200);
		expect((await coordinator.request("/badge/never-made.svg", { token: null })).status).toBe(404);
	});
});

describe("in the terminal", () => {
	const windlass = async (...args: string[]) => {
		const program = new Program([...args, "--server", coordinator.url], { WINDLASS_API_TOKEN: ADMIN_TOKEN, NO_COLOR: "1" });
		onTestFinished(() => program.kill());
		return { code: await program.exited, output: program.output };
	};
	const parsed = async (...args: string[]) => JSON.parse((await windlass(...args, "-o", "json")).output);

	test("pipelines are kept, shown, compared, restored, run and removed", async () => {
		const folder = temporaryFolder();
		const file = path.join(folder, "evening.yml");
		writeFileSync(
			file,
			"params: { who: { default: you } }\nsteps: [{ run: 'echo good evening, $WHO', env: { WHO: '${{ params.who }}' } }]\n",
		);
		expect((await windlass("pipelines", "push", file, "--project", "tools")).output).toMatch(/tools\/evening +1 +\S+ ago +pip_/);
		writeFileSync(file, "steps: [true]\n");
		await windlass("pipelines", "push", file, "--project", "tools");
		expect((await windlass("pipelines", "show", "tools/evening")).output).toBe("steps: [true]\n");
		expect((await windlass("pipelines", "diff", "tools/evening", "2")).output).toContain("+steps: [true]");
		expect((await windlass("pipelines", "restore", "tools/evening", "1")).output).toMatch(/tools\/evening +3 /);
		expect((await windlass("pipelines", "versions", "tools/evening")).output).toMatch(/\n3 +admin, restoring 1 /);
		const ran = await windlass("pipelines", "trigger", "tools/evening", "-p", "who=Ada");
		expect([ran.code, ran.output]).toEqual([0, expect.stringContaining("good evening, Ada")]);
		writeFileSync(file, "stepz: [true]\n");
		const wrong = await windlass("pipelines", "push", file, "--project", "tools");
		expect([wrong.code, wrong.output]).toEqual([2, expect.stringMatching(/evening\.yml.*1.*stepz: \[true\].*\^/s)]);
		expect((await windlass("pipelines", "rm", "tools/evening")).output).toContain("with 3 versions");
		expect((await windlass("pipelines", "ls", "--project", "tools")).output).toContain("There is no stored pipeline yet");
	});

	test("schedules are made, paused, resumed and removed; deliveries are listed, shown and replayed; projects are run", async () => {
		const repository = git.add("terminal.git", { ".windlass.yml": "steps: [true]" });
		await windlass(
			"projects",
			"create",
			"terminal",
			"--repository",
			repository,
			"--hook-secret",
			"hook",
			"--forge",
			"gitea",
			"--public-badges",
			"--require-pipeline",
		);
		const shown = (await windlass("projects", "show", "terminal")).output;
		expect(shown).toMatch(/hook secret +hook\n/);
		expect(shown).toMatch(/require pipeline +yes\n/);
		expect(shown).toMatch(/badges +for everybody\n/);
		expect(shown).toContain("notice: Commit statuses are not sent, because it has no token for its forge. Run: windlass projects edit");
		expect(shown).toMatch(/refs compared +not yet; next at \d{4}-/);
		const { id } = await parsed("projects", "show", "terminal");
		await planned(await push(id, git.commit("terminal.git", { a: "1" })));
		expect((await windlass("deliveries", "ls", "terminal")).output).toMatch(/accepted +push +push to main at [0-9a-f]{12} /);
		const [delivery] = await parsed("deliveries", "ls", "terminal");
		expect((await windlass("deliveries", "show", delivery.id)).output).toMatch(/forge +generic, its id/);
		const replayed = await parsed("deliveries", "replay", delivery.id);
		expect((await planned(replayed.id)).map(({ state }) => state)).toEqual(["succeeded"]);
		expect((await planned((await parsed("projects", "trigger", "terminal")).id)).map(({ trigger }) => trigger.kind)).toEqual(["manual"]);
		expect((await windlass("projects", "undelivered", "terminal")).output).toBe("All statuses and notifications are sent.\n");
		const [made] = await parsed("schedules", "add", "terminal", "--cron", "0 3 * * *", "--timezone", "Europe/Berlin");
		expect((await windlass("schedules", "pause", made.id, "--yes")).output).toContain("paused by admin");
		expect((await windlass("schedules", "resume", made.id)).output).toMatch(/0 3 \* \* \* Europe\/Berlin +the pipelines of a push +\d{4}-/);
		expect((await windlass("schedules", "ls", "terminal")).output).toContain(made.id);
		expect((await windlass("schedules", "rm", made.id)).output).toBe(`Schedule ${made.id} is removed.\n`);
		const compared = await parsed("projects", "compare", "terminal");
		await coordinator.get(`/api/v1/runs/${compared.id}/wait?timeout=60`);
		expect((await windlass("projects", "edit", "terminal", "--poll", "5m")).output).toMatch(/poll +5m\n/);
		expect((await windlass("projects", "show", "terminal")).output).toMatch(/refs compared +.*: no new commits; next at \d{4}-/);
		await windlass("projects", "edit", "terminal", "--no-public-badges", "--no-require-pipeline", "--forge", "none");
		expect(await parsed("projects", "show", "terminal")).toMatchObject({
			public_badges: false,
			require_pipeline: false,
			forge: null,
			hook_secret: "hook",
		});
	});
});
