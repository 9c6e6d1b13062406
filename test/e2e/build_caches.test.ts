import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CacheUsage } from "../../schema/wire/caches.ts";
import type { Run } from "../../schema/wire/resources.ts";
import { githubDelivery, githubPullRequest } from "../support/forge.ts";
import { GitHttp } from "../support/git_http.ts";
import { eventually, TestCoordinator, temporaryFolder } from "../support/processes.ts";

/** The caches of build tools, with the tools themselves. */

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let git: GitHttp;
beforeAll(async () => {
	coordinator = await TestCoordinator.start({ atEnd });
	git = await GitHttp.start(path.join(temporaryFolder(atEnd), "git"), null, atEnd);
	await coordinator.agent("one", { slots: "2" });
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

async function ended(id: string): Promise<{ run: Run; log: string }> {
	const run = await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=120`);
	return { run, log: await coordinator.text(`/api/v1/jobs/${run.jobs[0]?.id}/log?format=clean`) };
}

async function run(project: string, job: object): Promise<{ run: Run; log: string }> {
	return ended((await coordinator.post<Run>("/api/v1/runs", { pipeline: job, project })).id);
}

const usageOf = (name: string) => coordinator.get<CacheUsage>(`/api/v1/projects/${name}/cache-usage`);

test("ccache compiles nothing a second time, with an empty cache of its own", async () => {
	const files = Object.fromEntries(
		Array.from({ length: 12 }, (_, n) => [`f${n}.c`, `#include <stdio.h>\nint f${n}(void) { return printf("%d", ${n}); }\n`]),
	);
	await coordinator.post("/api/v1/projects", { name: "c", repository: git.add("c.git", files) });
	const job = {
		build_caches: ["ccache"],
		env: { CCACHE_DIR: "own-ccache", CCACHE_NODIRECT: "1" },
		steps: [
			"for f in f*.c; do ccache gcc -c $f -o $f.o; done; ccache --print-stats | grep -E '^(remote_storage_(hit|miss|write)|cache_miss|direct_cache_hit|preprocessed_cache_hit)'",
		],
	};
	const first = await run("c", job);
	expect([first.run.state, first.log]).toEqual(["succeeded", expect.stringMatching(/cache_miss\t12\n/)]);
	const second = await run("c", job);
	expect([second.run.state, second.log]).toEqual([
		"succeeded",
		expect.stringMatching(/cache_miss\t0\n[\s\S]*preprocessed_cache_hit\t12\n/),
	]);
	const [tool] = (await usageOf("c")).tools;
	expect([tool?.tool, (tool?.results ?? 0) >= 12]).toEqual(["ccache", true]);
	expect(second.log).not.toMatch(/wlj\./);
});

test("Turborepo runs nothing a second time, on an empty disk", async () => {
	const folder = temporaryFolder(atEnd);
	writeFileSync(
		path.join(folder, "package.json"),
		JSON.stringify({ name: "root", private: true, packageManager: "npm@11.0.0", workspaces: ["packages/*"] }),
	);
	writeFileSync(path.join(folder, "turbo.json"), JSON.stringify({ tasks: { build: { outputs: ["out/**"] } } }));
	const lock: Record<string, object> = { "": { name: "root", workspaces: ["packages/*"] } };
	for (const name of ["a", "b", "c"]) {
		mkdirSync(path.join(folder, "packages", name), { recursive: true });
		const scripts = { build: `mkdir -p out && echo built ${name} | tee out/${name}` };
		writeFileSync(path.join(folder, "packages", name, "package.json"), JSON.stringify({ name, version: "1.0.0", scripts }));
		lock[`node_modules/${name}`] = { resolved: `packages/${name}`, link: true };
		lock[`packages/${name}`] = { name, version: "1.0.0" };
	}
	writeFileSync(
		path.join(folder, "package-lock.json"),
		JSON.stringify({ name: "root", lockfileVersion: 3, requires: true, packages: lock }),
	);
	execFileSync("sh", ["-c", "git init -q -b main && git add -A && git -c user.name=n -c user.email=e@x commit -qm first"], { cwd: folder });
	const repository = git.addCopy("turbo.git", folder);
	await coordinator.post("/api/v1/projects", { name: "mono", repository });
	const turbo = path.resolve(import.meta.dirname, "../../node_modules/.bin/turbo");
	const job = {
		build_caches: ["turbo"],
		env: { TURBO_TELEMETRY_DISABLED: "1" },
		steps: [`${turbo} run build --no-color && cat packages/*/out/*`],
	};
	const first = await run("mono", job);
	expect([first.run.state, first.log]).toEqual(["succeeded", expect.stringMatching(/Cached: +0 cached, 3 total/)]);
	const second = await run("mono", job);
	expect([second.run.state, second.log]).toEqual([
		"succeeded",
		expect.stringMatching(/Cached: +3 cached, 3 total[\s\S]*FULL TURBO[\s\S]*built a\nbuilt b\nbuilt c\n/),
	]);
}, 120_000);

describe("the results of a build tool", () => {
	/** Reads and writes as Gradle and Bazel do: both send the token of the job as a password. */
	const curl = 'curl -s -o body -w "%{http_code} " -u "$CI_GRADLE_CACHE_USER:$CI_GRADLE_CACHE_PASSWORD"';
	const get = (key: string) => `${curl} "\${CI_GRADLE_CACHE_URL}${key}"; cat body 2>/dev/null; rm -f body; echo`;
	const put = (key: string, text: string) => `${curl} -X PUT --data-binary ${text} "\${CI_GRADLE_CACHE_URL}${key}"; echo`;

	test("are read by the job's own project alone, replace one another, and are gone for it when it is over", async () => {
		for (const name of ["mine", "theirs"]) await coordinator.post("/api/v1/projects", { name });
		const kept = path.join(temporaryFolder(), "access");
		const keep = `echo "$CI_GRADLE_CACHE_URL $CI_GRADLE_CACHE_PASSWORD" > ${kept}`;
		const first = await run("mine", {
			build_caches: ["gradle", "bazel"],
			steps: [get("k"), put("k", "one"), get("k"), put("k", "two"), get("k"), keep],
		});
		expect(first.log).toMatch(/\n404 [^\n]*not_found[^\n]*\n[\s\S]*\n201 \n[\s\S]*\n200 one\n[\s\S]*\n201 \n[\s\S]*\n200 two\n/);
		expect((await run("mine", { build_caches: "gradle", steps: [get("k")] })).log).toContain("\n200 two\n");
		expect((await run("theirs", { build_caches: "gradle", steps: [get("k")] })).log).toMatch(/\n404 /);
		// Each tool has its own.
		const bazel = await run("mine", {
			build_caches: "bazel",
			steps: ['curl -s -o /dev/null -w "%{http_code}\\n" "$CI_BAZEL_CACHE/k"; echo "$CI_BAZEL_CACHE"'],
		});
		expect(bazel.log).toMatch(/\n404\n[\s\S]*http:\/\/job:\*\*\*@127/);
		const [url, token] = readFileSync(kept, "utf8").trim().split(" ");
		const ask = () => fetch(`${url}k`, { headers: { Authorization: `Bearer ${token}` } });
		// A lease that was checked is trusted for some seconds.
		await eventually(async () => (await ask()).status === 410, "the token of the job to end with it");
		expect((await fetch(`${url}k`)).status).toBe(401);
		// The token opens nothing else.
		expect((await coordinator.request("/api/v1/runs", { token: token ?? "" })).status).toBe(403);
	});

	test("of a fork are its own, and those of the default branch are read-only for it", async () => {
		const steps = [get("shared"), put("shared", "$CI_RUN_ID"), get("shared")];
		const file = JSON.stringify({ build_caches: "gradle", steps });
		const repository = git.add("team/web.git", { ".windlass.yml": file });
		await coordinator.request("/api/v1/secrets/hook", { method: "PUT", body: JSON.stringify({ value: "the-secret-of-the-hook" }) });
		const { id: project } = await coordinator.post<{ id: string }>("/api/v1/projects", {
			name: "web",
			repository,
			hook_secret: "hook",
			forge: "github",
		});
		const ofMain = { build_caches: "gradle", source: { git: repository, ref: "main" }, steps: [put("shared", "of-main"), get("shared")] };
		const pipeline = JSON.stringify(ofMain);
		await ended((await coordinator.post<Run>("/api/v1/runs", { pipeline: JSON.parse(pipeline), project: "web", branch: "main" })).id);
		const fork = async (number: number) => {
			const sha = git.commit("team/web.git", { n: String(number) });
			git.ref("team/web.git", `refs/pull/${number}/head`, sha);
			const { headers, body } = githubDelivery("pull_request", githubPullRequest({ number, sha, fork: true }), "the-secret-of-the-hook");
			const answer = await coordinator.request(`/hooks/${project}`, { method: "POST", token: null, headers, body });
			const plan = await coordinator.get<Run>(`/api/v1/runs/${((await answer.json()) as { run_id: string }).run_id}/wait?timeout=60`);
			const id = plan.jobs[0]?.outputs?.[".windlass.yml"] ?? "";
			await coordinator.post(`/api/v1/runs/${id}/approve`, {});
			return ended(id);
		};
		const first = await fork(9);
		expect([first.run.trusted, first.log]).toEqual([
			false,
			expect.stringMatching(new RegExp(`\\n200 of-main\\n[\\s\\S]*\\n201 \\n[\\s\\S]*\\n200 ${first.run.id}\\n`)),
		]);
		expect((await fork(10)).log).toContain("\n200 of-main\n");
		const after = await coordinator.post<Run>("/api/v1/runs", {
			pipeline: { ...ofMain, steps: [get("shared")] },
			project: "web",
			branch: "main",
		});
		expect((await ended(after.id)).log).toContain("\n200 of-main\n");
	});

	test.each([
		["a key that is too long", `${curl} -X PUT -d x $CI_GRADLE_CACHE_URL$(printf 'k%.0s' $(seq 600)); echo`, /\n422 /],
		["no length", `${curl} -X PUT -H 'Transfer-Encoding: chunked' -d x \${CI_GRADLE_CACHE_URL}k; echo`, /\n411 /],
		[
			"a length that is too large",
			`${curl} -X PUT -H 'Content-Length: 999999999999' -d x --max-time 5 \${CI_GRADLE_CACHE_URL}k; echo`,
			/\n413 /,
		],
		["a tool that does not exist", `${curl} \${CI_GRADLE_CACHE_URL%gradle/}make/k; echo`, /\n404 /],
	])("are refused with %s", async (_, step, answer) => {
		expect((await run("adhoc", { build_caches: ["gradle"], steps: [step] })).log).toMatch(answer);
	});
});

test("a tool that Windlass does not know is rejected at its place", async () => {
	const answer = await coordinator.request("/api/v1/pipelines/validate", {
		method: "POST",
		body: "build_caches: [gradle, maven]\nsteps: [x]",
	});
	expect(await answer.json()).toMatchObject({ errors: [{ line: 1, column: 24, message: 'Unknown value: text "maven".' }] });
});
