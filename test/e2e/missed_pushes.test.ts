import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Delivery, HookAnswer } from "../../schema/wire/deliveries.ts";
import type { Project } from "../../schema/wire/projects.ts";
import type { Page, Run, RunSummary } from "../../schema/wire/resources.ts";
import { githubDelivery, githubPush } from "../support/forge.ts";
import { GitHttp } from "../support/git_http.ts";
import { eventually, TestCoordinator, temporaryFolder } from "../support/processes.ts";

const SECRET = "the-secret-of-the-hook";
const REPOSITORY = "team/web.git";

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let git: GitHttp;
let web: Project;
beforeAll(async () => {
	coordinator = await TestCoordinator.start({ atEnd });
	await coordinator.agent("builder", { slots: "4" });
	git = await GitHttp.start(path.join(temporaryFolder(atEnd), "git"), "ci:password-of-git", atEnd);
	const secret = (name: string, value: string) =>
		coordinator.request(`/api/v1/secrets/${name}`, { method: "PUT", body: JSON.stringify({ value }) });
	await secret("hook", SECRET);
	await secret("git", "ci:password-of-git");
	const repository = git.add(REPOSITORY, { ".windlass.yml": "steps: ['echo $CI_EVENT of $CI_COMMIT_REF']" });
	web = await coordinator.post<Project>("/api/v1/projects", { name: "web", repository, credentials: "git", hook_secret: "hook" });
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

const project = () => coordinator.get<Project>("/api/v1/projects/web");
const waited = (id: string) => coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
async function compare(): Promise<Run> {
	return waited((await coordinator.post<Run>("/api/v1/projects/web/compare", {})).id);
}
async function deliver(ref: string, after: string, fields: { before?: string; message?: string } = {}): Promise<HookAnswer> {
	const { headers, body } = githubDelivery("push", githubPush({ ref, after, ...fields }), SECRET);
	const answer = await coordinator.request(`/hooks/${web.id}`, { method: "POST", token: null, headers, body });
	expect(answer.status).toBe(202);
	return (await answer.json()) as HookAnswer;
}

/** The runs that a plan has made, once it and they are over. */
async function runsOf(planId: string | null): Promise<Run[]> {
	const plan = await waited(planId as string);
	const ids = Object.values(plan.jobs[0]?.outputs ?? {}).filter((text) => text.startsWith("run_"));
	return Promise.all(ids.map(waited));
}

/** What the deliveries of comparisons have made, by ref: the runs of each are over. */
async function foundRuns(count: number): Promise<Record<string, Run>> {
	const found = await eventually(async () => {
		const { items } = await coordinator.get<Page<Delivery>>("/api/v1/projects/web/deliveries");
		const own = items.filter(({ forge, outcome }) => forge === "comparison" && outcome === "accepted");
		return own.length === count && own;
	}, `${count} deliveries of comparisons`);
	const runs: [string, Run][] = [];
	for (const { trigger, run_id } of found) for (const run of await runsOf(run_id)) runs.push([trigger?.ref ?? "", run]);
	return Object.fromEntries(runs);
}

/** The commits that pipelines were run for, with the branch or tag of each. */
async function commitsRun(): Promise<string[]> {
	const { items } = await coordinator.get<Page<RunSummary>>("/api/v1/runs?project=web&limit=100");
	return items
		.filter(({ kind }) => kind === "pipeline")
		.map(({ branch, tag, commit }) => `${branch ?? tag} ${commit?.sha}`)
		.sort();
}

/** Waits until lists have these commits, and no others. */
async function recorded(commits: readonly string[]): Promise<void> {
	await eventually(async () => (await commitsRun()).length >= commits.length, "the runs in lists");
	expect(await commitsRun()).toEqual([...commits].sort());
}

test("five pushes without a delivery are run after an outage: the newest commit of each branch and every tag, once", async () => {
	// Nothing runs of what is there when a project begins: it is recorded.
	git.ref(REPOSITORY, "refs/tags/v0", "HEAD");
	expect(await compare()).toMatchObject({ kind: "comparison", state: "succeeded", project: "web" });
	expect((await project()).comparison).toMatchObject({ compared_at: expect.any(String), found: 0, error: null });
	const told = git.commit(REPOSITORY, { a: "told" });
	await runsOf((await deliver("refs/heads/main", told)).run_id);

	await coordinator.program.kill();
	const older = git.commit(REPOSITORY, { a: "1" });
	const newest = git.commit(REPOSITORY, { a: "2" });
	git.tag(REPOSITORY, "v1");
	git.branch(REPOSITORY, "feature");
	const feature = git.commit(REPOSITORY, { b: "1" });
	git.ref(REPOSITORY, "refs/tags/v2", feature);
	coordinator = await TestCoordinator.start({ data: coordinator.data, port: coordinator.port, atEnd });

	const runs = await foundRuns(4);
	expect(runs).toMatchObject({
		"refs/heads/main": { state: "succeeded", branch: "main", commit: { sha: newest }, trigger: { kind: "push" }, trusted: true },
		"refs/heads/feature": { state: "succeeded", branch: "feature", commit: { sha: feature } },
		"refs/tags/v1": { state: "succeeded", tag: "v1", commit: { sha: newest }, trigger: { kind: "tag", actor: "a comparison of refs" } },
		"refs/tags/v2": { state: "succeeded", tag: "v2", commit: { sha: feature } },
	});
	const expected = [`main ${told}`, `main ${newest}`, `feature ${feature}`, `v1 ${newest}`, `v2 ${feature}`];
	await recorded(expected);
	expect((await project()).comparison).toMatchObject({ found: 4, error: null });

	// The forge delivers late what the comparison has found: it is told so, and nothing is run twice.
	const late = await deliver("refs/heads/main", newest, { before: older });
	expect(late).toMatchObject({
		outcome: "ignored",
		reason: `push to main at ${newest.slice(0, 12)}: a comparison of the refs has already started its run`,
	});
	expect((await waited(late.run_id as string)).jobs[0]?.outputs).toEqual({ ".windlass.yml": runs["refs/heads/main"]?.id });
	await recorded(expected);
	// The commit in between is older than the one that runs: it does not run after it, nor is the newest commit new once more.
	expect(await deliver("refs/heads/main", older, { before: told })).toMatchObject({
		outcome: "ignored",
		reason: expect.stringContaining("a comparison of the refs has found a newer commit that does not follow it"),
		run_id: null,
	});
	expect((await compare()).jobs[0]?.outputs).toEqual({});
	await recorded(expected);
});

test("a comparison does not run a push again that a delivery has started or skipped", async () => {
	const delivered = git.commit(REPOSITORY, { c: "1" });
	await runsOf((await deliver("refs/heads/feature", delivered)).run_id);
	const skipped = git.commit(REPOSITORY, { c: "2" }, "Not this one [skip ci]");
	expect((await deliver("refs/heads/feature", skipped, { message: "Not this one [skip ci]" })).outcome).toBe("ignored");
	expect((await compare()).jobs[0]?.outputs).toEqual({});
	const missed = git.commit(REPOSITORY, { c: "3" }, "Nor this one [skip ci]");
	expect((await compare()).jobs[0]?.outputs).toEqual({ "refs/heads/feature": `new at ${missed.slice(0, 12)}` });
	const found = await eventually(async () => {
		const { items } = await coordinator.get<Page<Delivery>>("/api/v1/projects/web/deliveries");
		return items.find(({ trigger, outcome }) => trigger?.sha === missed && outcome === "accepted");
	}, "the delivery of the commit that was missed");
	expect((await waited(found.run_id as string)).jobs[0]?.outputs).toEqual({
		".windlass.yml": "not run: the commit asks for it ([skip ci])",
	});
	for (const commit of [skipped, missed]) expect(await commitsRun()).not.toContain(`feature ${commit}`);
});

test("a comparison that fails says why, on the project and its page", async () => {
	const settings = { method: "PATCH", body: JSON.stringify({ credentials: null }) };
	expect((await coordinator.request("/api/v1/projects/web", settings)).status).toBe(200);
	expect((await compare()).state).toBe("errored");
	const { notices, comparison } = await project();
	expect(comparison).toMatchObject({ error: expect.stringContaining("git ls-remote failed"), next_at: expect.any(String) });
	expect(notices).toContainEqual(expect.stringContaining(comparison?.error as string));
	const page = await coordinator.text("/projects/web?tab=deliveries");
	for (const part of ["Missed pushes", "The failed comparison", "git ls-remote failed"]) expect(page).toContain(part);
});
