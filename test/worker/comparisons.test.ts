import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { dispatcherOf } from "../../worker/platform/dispatcher.ts";
import { addProject } from "../../worker/record/projects.ts";
import { listRuns } from "../../worker/record/run_lists.ts";
import { applyRetention } from "../../worker/retention/retention.ts";
import { resumeDelivery } from "../../worker/webhooks/handle_delivery.ts";
import { findDelivery, listDeliveries, recordDelivery } from "../../worker/webhooks/store.ts";
import { submitFoundRefs } from "../../worker/webhooks/submit_found_refs.ts";

const SHA = "a".repeat(40);
const DAY_MS = 24 * 60 * 60_000;

async function project(name: string, repository: string | null, forge: "github" | "gitea" | null = null) {
	const none = { credentials: null, config: null, hook_secret: null, forge, forge_api: null, forge_token: null, forge_app: null };
	const kept = {
		includable_by: null,
		trusted_authors: null,
		fork_approvers: null,
		is_public: 0,
		keep_runs: null,
		keep_logs: null,
		keep_artifacts: null,
		cache_quota: null,
	};
	const settings = {
		...none,
		...kept,
		repository,
		default_branch: "main",
		checkout_depth: null,
		checkout_tags: null,
		checkout_submodules: null,
		checkout_lfs: null,
		checkout_filter: null,
		warm_mirrors: null,
		requires_pipeline: 0,
		status_context: "windlass",
		has_public_badges: 0,
		poll: "5m",
	};
	await addProject(env.DB, "found", name, settings);
}
const deliveriesOf = (name: string) => listDeliveries(env.DB, "found", { project: name, limit: 100, after: null });

test("what a comparison has found is delivered once, however often the effect is repeated", async () => {
	await project("web", "https://git.test/web.git");
	const long = `refs/heads/${"x".repeat(400)}`;
	const refs = [
		{ ref: "refs/heads/main", sha: SHA, before: "b".repeat(40) },
		{ ref: "refs/tags/v1", sha: SHA, before: null },
		{ ref: `${long}1`, sha: SHA, before: null },
		{ ref: `${long}2`, sha: SHA, before: null },
	];
	for (let time = 0; time < 2; time += 1) await submitFoundRefs(env, "found", { project: "web", comparison: "run_1", refs });
	const deliveries = await deliveriesOf("web");
	expect(deliveries.map(({ outcome, forge }) => [outcome, forge])).toEqual(refs.map(() => ["accepted", "comparison"]));
	expect(new Set(deliveries.map(({ run_id }) => run_id)).size).toBe(refs.length);
	expect(deliveries.map(({ trigger }) => JSON.parse(trigger ?? "")).reverse()).toMatchObject([
		{ kind: "push", branch: "main", sha: SHA, before: "b".repeat(40), actor: "a comparison of refs" },
		{ kind: "tag", tag: "v1", sha: SHA },
		{ kind: "push", before: null },
		{ kind: "push", before: null },
	]);
	// The same found by another comparison is another delivery.
	await submitFoundRefs(env, "found", { project: "web", comparison: "run_2", refs: refs.slice(0, 1) });
	expect(await deliveriesOf("web")).toHaveLength(refs.length + 1);
});

test("the branch of a merge queue of GitHub is a merge group; its event makes no second run", async () => {
	const ref = `refs/heads/gh-readonly-queue/main/pr-7-${"b".repeat(40)}`;
	const found = [{ ref, sha: SHA, before: null }];
	await project("queued", "https://github.com/team/web.git", "github");
	await submitFoundRefs(env, "found", { project: "queued", comparison: "run_1", refs: found });
	const [first] = await deliveriesOf("queued");
	expect(JSON.parse(first?.trigger ?? "")).toMatchObject({ kind: "merge_group", merge_target: "main", ref, sha: SHA });
	const { row: event } = await recordDelivery(env.DB, {
		team: "found",
		project: "queued",
		forge: "github",
		delivery: "late",
		event: "merge_group",
		outcome: "received",
		reason: "",
		trigger: first?.trigger ?? "",
		repository: null,
		body_digest: null,
	});
	await resumeDelivery(env, event);
	expect(await findDelivery(env.DB, "found", event.id)).toMatchObject({ outcome: "ignored", run_id: first?.run_id });
	// Another forge may have a branch of that name.
	await project("plain", "https://git.test/team/web.git", "gitea");
	await submitFoundRefs(env, "found", { project: "plain", comparison: "run_1", refs: found });
	expect(JSON.parse((await deliveriesOf("plain"))[0]?.trigger ?? "")).toMatchObject({ kind: "push" });
});

test("what was found of a project that is gone, or has no repository any more, runs nothing", async () => {
	await project("bare", null);
	const refs = [{ ref: "refs/heads/main", sha: SHA, before: null }];
	for (const name of ["bare", "gone"]) await submitFoundRefs(env, "found", { project: name, comparison: "run_1", refs });
	expect((await deliveriesOf("bare")).map(({ outcome, reason }) => [outcome, reason])).toEqual([
		["rejected", "The project bare has no repository."],
	]);
	expect(await deliveriesOf("gone")).toEqual([]);
});

test("comparisons are in no list and are deleted after a day; discovery jobs and pipelines stay", async () => {
	const now = Date.now();
	const insert = (id: string, kind: string, finishedAt: number) =>
		env.DB.prepare(
			`INSERT INTO runs (id, team, rev, project, number, pipeline, state, trigger_kind, trigger_actor, kind, priority, warnings, definition, created_at,
			finished_at) VALUES (?, 'found', 1, 'web', 1, 'p', 'errored', 'schedule', 'x', ?, 0, 0, 'd', ?, ?)`,
		)
			.bind(id, kind, finishedAt, finishedAt)
			.run();
	await insert("run_old", "comparison", now - DAY_MS - 1);
	await insert("run_new", "comparison", now - DAY_MS + 60_000);
	await insert("run_discovery", "discovery", now - DAY_MS - 1);
	await insert("run_pipeline", "pipeline", now - DAY_MS - 1);
	const listed = async (kind: "comparison" | null) =>
		(await listRuns(env.DB, "found", { limit: 10, after: null, states: ["errored"], project: "web", kind })).rows.map(({ id }) => id);
	expect(await listed(null)).toEqual(["run_pipeline", "run_discovery"]);
	expect(await listed("comparison")).toEqual(["run_old", "run_new"]);
	await applyRetention(env, now);
	expect(await listed("comparison")).toEqual(["run_new"]);
	expect(await listed(null)).toEqual(["run_pipeline", "run_discovery"]);
	await dispatcherOf(env, "found").deleteProject("web");
});
