import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import type { DeliveryRow, ProjectRow } from "../../schema/database/tables.ts";
import { type Trigger, whySkipped } from "../../schema/wire/triggers.ts";
import type { Environment } from "../../worker/bindings.ts";
import { describeProject } from "../../worker/projects/service.ts";
import { putSecret } from "../../worker/secrets/vault.ts";
import { gitlab } from "../../worker/webhooks/gitlab.ts";
import { handleDelivery } from "../../worker/webhooks/handle_delivery.ts";
import { listDeliveries, newestDeliveries, recordDelivery } from "../../worker/webhooks/store.ts";

const SHA = "a".repeat(40);
const project = { path_with_namespace: "team/web" };

test("GitLab delivers tags, merge requests whose repository is gone, and closed ones", () => {
	const tag = { project, ref: "refs/tags/v1", before: "0".repeat(40), after: "b".repeat(40), checkout_sha: SHA, user_username: "ada" };
	expect(gitlab.read("Tag Push Hook", tag)).toMatchObject({ kind: "tag", tag: "v1", sha: SHA, actor: "ada" });
	expect(gitlab.read("Tag Push Hook", { ...tag, after: "0".repeat(40), checkout_sha: null })).toBe("the tag v1 was deleted");
	const merge = (action: string, source_project_id: number | null) => ({
		project,
		user: { username: "ada" },
		object_attributes: {
			iid: 4,
			title: "t",
			action,
			source_branch: "feature",
			target_branch: "main",
			source_project_id,
			target_project_id: 1,
			last_commit: { id: SHA, message: "m" },
		},
	});
	expect(gitlab.read("Merge Request Hook", merge("close", null))).toMatchObject({
		branch: "somebody:feature",
		pull_request: { number: 4, event: "closed", is_from_fork: true },
	});
	expect(gitlab.read("Merge Request Hook", merge("merge", 1))).toMatchObject({
		branch: "feature",
		pull_request: { event: "closed", is_from_fork: false },
	});
});

test.each<[string, object, boolean]>([
	["the option ci.skip", { push_options: { ci: { skip: true } } }, true],
	["a list of options", { push_options: ["ci.skip"] }, true],
	["other options", { push_options: { ci: { variable: { A: 1 } }, merge_request: { create: true } } }, false],
	["the option switched off", { push_options: { ci: { skip: false } } }, false],
	["no option", { push_options: {} }, false],
	["null", { push_options: null }, false],
	["nothing", {}, false],
])("a push to GitLab with %s asks for no run of a branch or a tag", (_, more, expected) => {
	for (const ref of ["refs/heads/main", "refs/tags/v1"]) {
		const found = gitlab.read("Push Hook", { project, ref, after: SHA, checkout_sha: SHA, user_username: "ada", commits: [], ...more });
		expect(typeof found === "string" ? found : whySkipped(found, null)).toBe(expected ? "the push asks for it (ci.skip)" : null);
	}
});

test("a hook whose secret is blank is closed, as one is that has none", async () => {
	const environment = { ...env, MASTER_KEY: btoa("k".repeat(32)) } as unknown as Environment;
	const project = { team: "default", name: "blank", hook_secret: "blank" } as ProjectRow;
	// An earlier version has taken such a value.
	await putSecret(environment, { team: "default", project: "blank", name: "blank" }, "        ");
	for (const sent of [{ "X-Gitlab-Event": "Push Hook" }, { "X-GitHub-Event": "push", "X-Hub-Signature-256": `sha256=${"0".repeat(64)}` }]) {
		const taken = handleDelivery(environment, project, { headers: new Headers(sent), read: async () => null });
		await expect(taken).rejects.toMatchObject({ code: "forbidden", message: "The hook is closed: the secret blank is empty." });
	}
});

test("a project says that its repository was renamed, and that updates of pull requests do not come", async () => {
	const environment = env as unknown as Environment;
	const named = { id: "prj_told", team: "told", name: "web", repository: "https://git.test/team/web.git" };
	const row = { ...named, forge_api: null, created_at: 0, updated_at: 0 } as ProjectRow;
	const note = (delivery: string, repository: string, trigger: Trigger | null, forge: DeliveryRow["forge"] = "gitea") =>
		recordDelivery(env.DB, {
			team: "told",
			project: "web",
			forge,
			delivery,
			event: "push",
			outcome: trigger ? "accepted" : "ignored",
			reason: "",
			trigger: trigger && JSON.stringify(trigger),
			repository,
			body_digest: null,
		});
	const push: Trigger = {
		kind: "push",
		ref: "refs/heads/feature",
		branch: "feature",
		tag: null,
		sha: "b".repeat(40),
		before: null,
		message: null,
		pull_request: null,
		actor: "ada",
	};
	const pull_request = { number: 7, event: "opened", title: "t", target: "main", is_from_fork: false } as const;
	const notices = async () => (await describeProject({ environment, baseUrl: "" }, row)).notices.filter((one) => /newest|update/.test(one));
	await note("1", "team/web", { ...push, kind: "pull_request", sha: SHA, pull_request });
	await note("2", "team/web", push);
	expect(await newestDeliveries(env.DB, "told", "web", 9)).toMatchObject([
		{ kind: "push", branch: "feature", sha: "b".repeat(40), number: null, is_from_fork: null },
		{ kind: "pull_request", branch: "feature", sha: SHA, number: 7, event: "opened", is_from_fork: 0 },
	]);
	expect(await notices()).toEqual([]);
	// What a comparison has found is not a push that the forge has sent.
	await note("c", "team/web", { ...push, branch: "other", sha: "c".repeat(40) }, "comparison");
	expect(await newestDeliveries(env.DB, "told", "web", 9)).toHaveLength(2);
	await env.DB.prepare("UPDATE deliveries SET received_at = received_at - 600000 WHERE team = 'told'").run();
	expect(await notices()).toEqual([expect.stringContaining("no update of pull request #7")]);
	for (const delivery of ["3", "4", "5"]) await note(delivery, "team/site", null);
	expect(await notices()).toContainEqual(
		expect.stringContaining("windlass projects edit web --repository 'https://git.test/team/site.git'"),
	);
});

/** A project with a hook, and what the queue is asked when something is delivered to it. */
async function hooked(name: string, broken: Partial<Environment> = {}) {
	const asked: string[] = [];
	const answer = { ok: true, value: { runId: "run_1", standing: "new" } };
	const queue = new Proxy(
		{},
		{
			get: (_, method: string) => async () => {
				asked.push(method);
				return answer;
			},
		},
	);
	const stubs = { MASTER_KEY: btoa("k".repeat(32)), DISPATCHER: { getByName: () => queue } };
	const environment = { ...env, ...stubs, ...broken } as unknown as Environment;
	const settings = { hook_secret: "hook", forge: "gitlab", forge_api: null, default_branch: "main", config: null, requires_pipeline: 0 };
	const row = { id: `prj_${name}`, team: "hooked", name, repository: "https://git.test/team/web.git", ...settings } as ProjectRow;
	await putSecret({ ...env, ...stubs } as unknown as Environment, { team: "hooked", project: name, name: "hook" }, "a-secret-of-a-hook");
	const deliver = (event: string, payload: object) =>
		handleDelivery(environment, row, {
			headers: new Headers({
				"Content-Type": "application/json",
				"X-Gitlab-Event": event,
				"X-Gitlab-Token": "a-secret-of-a-hook",
				"X-Gitlab-Event-UUID": crypto.randomUUID(),
			}),
			read: async () => new TextEncoder().encode(JSON.stringify({ project, ...payload })),
		});
	return { asked, deliver };
}

test("a merge request whose commit asks to be skipped has a discovery job: what waits for an approval of its last commit ends", async () => {
	const { asked, deliver } = await hooked("skipping");
	const { row } = await deliver("Merge Request Hook", {
		user: { username: "ada" },
		object_attributes: {
			iid: 4,
			title: "t",
			action: "update",
			oldrev: "b".repeat(40),
			source_branch: "feature",
			target_branch: "main",
			source_project_id: 1,
			target_project_id: 1,
			last_commit: { id: SHA, message: "Docs [skip ci]" },
		},
	});
	expect([row.outcome, asked]).toEqual(["accepted", ["submit"]]);
});

test("a push that is skipped is heard of before it is recorded: what fails in between comes again", async () => {
	const push = { ref: "refs/heads/feature", before: "b".repeat(40), after: SHA, checkout_sha: SHA, user_username: "ada" };
	const skipping = { ...push, commits: [{ id: SHA, message: "Docs [skip ci]" }] };
	const unreachable = { DISPATCHER: { getByName: () => ({ recordDelivered: () => Promise.reject(new Error("reset")) }) } };
	const { deliver } = await hooked("unheard", unreachable as unknown as Partial<Environment>);
	await expect(deliver("Push Hook", skipping)).rejects.toThrow("reset");
	expect(await listDeliveries(env.DB, "hooked", { project: "unheard", limit: 9, after: null })).toEqual([]);
	const { asked, deliver: again } = await hooked("unheard");
	expect([(await again("Push Hook", skipping)).row.outcome, asked]).toEqual(["ignored", ["recordDelivered"]]);
});
