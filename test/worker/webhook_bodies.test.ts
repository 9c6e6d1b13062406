import { describe, expect, test } from "vitest";
import { ApiError } from "../../schema/wire/errors.ts";
import { checkingPayload, payloadBytes } from "../../worker/webhooks/form_payload.ts";
import { generic } from "../../worker/webhooks/generic.ts";
import { gitea, github } from "../../worker/webhooks/github.ts";
import { gitlab } from "../../worker/webhooks/gitlab.ts";
import { genericBodies, giteaBodies, githubBodies, gitlabBodies, withEachFieldMissing } from "../support/webhook_bodies.ts";

const SHA = "a".repeat(40);

describe("a field that is null or not there", () => {
	const BODIES = {
		github: [github, githubBodies, { tag: "push", retargeted: "pull_request" }],
		gitea: [gitea, giteaBodies, { retargeted: "pull_request", ready: "pull_request" }],
		gitlab: [
			gitlab,
			gitlabBodies,
			{
				push: "Push Hook",
				tag: "Tag Push Hook",
				merge_request: "Merge Request Hook",
				updated: "Merge Request Hook",
				retargeted: "Merge Request Hook",
				ready: "Merge Request Hook",
			},
		],
		generic: [generic, genericBodies, {}],
	} as const;
	/** Without these nobody can tell what to run, or for which repository. */
	const ESSENTIAL = new Set([
		"ref",
		"after",
		"repository",
		"repository.full_name",
		"number",
		"pull_request",
		"pull_request.head",
		"pull_request.head.ref",
		"pull_request.base",
		"pull_request.base.ref",
		"merge_group",
		"merge_group.head_sha",
		"merge_group.head_ref",
		"project",
		"project.path_with_namespace",
		"object_attributes",
		"object_attributes.iid",
		"object_attributes.source_branch",
		"object_attributes.target_branch",
	]);
	const cases = Object.entries(BODIES).flatMap(([forge, [provider, bodies, events]]) =>
		Object.entries(bodies).map(
			([name, body]) => [forge, name, provider, (events as Record<string, string>)[name] ?? name, body as object] as const,
		),
	);

	test.each(cases)("%s %s: only essential fields are asked for", (_forge, _name, provider, event, body) => {
		expect(provider.read(event, body)).toMatchObject({ kind: expect.any(String) });
		const refused = new Set<string>();
		for (const { path, body: changed } of withEachFieldMissing(body)) {
			try {
				provider.repositoryOf(changed);
				provider.read(event, changed);
			} catch (error) {
				expect(error).toBeInstanceOf(ApiError);
				refused.add(path);
			}
		}
		expect([...refused].filter((path) => !ESSENTIAL.has(path))).toEqual([]);
	});

	test("makes nobody trusted: without the repository of its branch a pull request is a fork's", () => {
		for (const field of ["full_name", "owner"]) {
			const own = githubBodies.pull_request;
			const head = { ...own.pull_request.head, repo: { ...own.pull_request.head.repo, [field]: null } };
			const read = github.read("pull_request", { ...own, pull_request: { ...own.pull_request, head } });
			expect(read).toMatchObject({ pull_request: { is_from_fork: field === "full_name" } });
		}
		for (const field of ["source_project_id", "target_project_id"]) {
			const body = gitlabBodies.merge_request;
			const without = { ...body, object_attributes: { ...body.object_attributes, [field]: null } };
			expect(gitlab.read("Merge Request Hook", without)).toMatchObject({ branch: "Team:feature", pull_request: { is_from_fork: true } });
		}
		const both = { ...gitlabBodies.merge_request.object_attributes, source_project_id: null, target_project_id: null };
		expect(gitlab.read("Merge Request Hook", { ...gitlabBodies.merge_request, object_attributes: both })).toMatchObject({
			pull_request: { is_from_fork: true },
		});
	});

	test("that is a commit leaves the agent to look for it by the ref", () => {
		const body = gitlabBodies.merge_request;
		const without = { ...body, object_attributes: { ...body.object_attributes, last_commit: null } };
		expect(gitlab.read("Merge Request Hook", without)).toMatchObject({
			kind: "pull_request",
			sha: null,
			ref: "refs/merge-requests/4/head",
		});
		const own = githubBodies.pull_request;
		// Gitea and Forgejo send an empty text for a commit that is gone.
		const head = { ...own.pull_request.head, sha: "" };
		expect(gitea.read("pull_request", { ...own, pull_request: { ...own.pull_request, head } })).toMatchObject({ sha: null });
	});
});

describe("a pull request", () => {
	const event = (read: unknown) => (typeof read === "string" ? read : (read as { pull_request: { event: string } }).pull_request.event);

	test("that goes into another branch now counts as updated, for the new one", () => {
		for (const read of [
			github.read("pull_request", githubBodies.retargeted),
			gitea.read("pull_request", giteaBodies.retargeted),
			gitlab.read("Merge Request Hook", gitlabBodies.retargeted),
		])
			expect(read).toMatchObject({ pull_request: { event: "updated", target: "main" } });
	});

	test("of which only words were edited runs nothing new", () => {
		const edited = (changes: object) => ({ ...githubBodies.pull_request, action: "edited", changes });
		for (const changes of [{ title: { from: "WIP: A change" } }, { body: { from: "words" } }, {}])
			expect(github.read("pull_request", edited(changes))).toBe("no run for an edit of the title or text of a pull request");
		expect(gitea.read("pull_request", edited({ body: { from: "WIP: words" } }))).toMatch(/edit of the title or text of a pull request$/);
		const { changes: _, ...without } = gitlabBodies.retargeted;
		for (const more of [{}, { changes: null }, { changes: { title: { previous: "a", current: "b" } } }])
			expect(gitlab.read("Merge Request Hook", { ...without, ...more })).toBe(
				"no run for the merge request action update without new commits",
			);
	});

	test("that is ready for review says so, with every forge", () => {
		expect(event(github.read("pull_request", { ...githubBodies.pull_request, action: "ready_for_review" }))).toBe("ready_for_review");
		expect(event(gitea.read("pull_request", giteaBodies.ready))).toBe("ready_for_review");
		expect(event(gitlab.read("Merge Request Hook", gitlabBodies.ready))).toBe("ready_for_review");
		const becomesDraft = { ...gitlabBodies.ready, changes: { draft: { previous: false, current: true } } };
		expect(event(gitlab.read("Merge Request Hook", becomesDraft))).toMatch(/^no run/);
	});

	test("may be a draft, and has labels", () => {
		const draft = { ...githubBodies.pull_request.pull_request, draft: true };
		expect(github.read("pull_request", { ...githubBodies.pull_request, pull_request: draft })).toMatchObject({
			pull_request: { draft: true, labels: ["deploy"] },
		});
		// Gitea before 1.20 says it in the title alone.
		const { draft: _, ...older } = { ...draft, title: "[wip] A change" };
		expect(gitea.read("pull_request", { ...githubBodies.pull_request, pull_request: older })).toMatchObject({
			pull_request: { draft: true },
		});
		expect(github.read("pull_request", { ...githubBodies.pull_request, pull_request: older })).toMatchObject({
			pull_request: { draft: false },
		});
		const merge = { ...gitlabBodies.merge_request.object_attributes, draft: null, work_in_progress: true };
		expect(gitlab.read("Merge Request Hook", { ...gitlabBodies.merge_request, object_attributes: merge })).toMatchObject({
			pull_request: { draft: true, labels: ["deploy"] },
		});
	});

	test.each([
		[github, "pull_request", { action: "labeled" }, "no run for the pull request action labeled"],
		[github, "pull_request", { action: "constructor" }, "no run for the pull request action constructor"],
		[github, "pull_request", {}, "no run for a pull request event without an action"],
		[github, "merge_group", { action: "destroyed" }, "no run for the merge group action destroyed"],
		[github, "check_suite", {}, "no run for the event check_suite"],
		[gitea, "merge_group", {}, "no run for the event merge_group"],
		[gitlab, "Note Hook", {}, "no run for the event Note Hook"],
		[gitlab, "Merge Request Hook", { object_attributes: { action: "approved" } }, "no run for the merge request action approved"],
	] as const)("and other events that nothing is run for need none of its fields (%#)", (provider, name, body, reason) => {
		expect(provider.read(name, body)).toBe(reason);
	});
});

test("GitHub delivers a merge group as its own event and as the push of its branch: both make the same trigger", () => {
	const group = github.read("merge_group", githubBodies.merge_group);
	expect(group).toMatchObject({
		kind: "merge_group",
		sha: SHA,
		merge_target: "main",
		branch: `gh-readonly-queue/main/pr-7-${"b".repeat(40)}`,
	});
	const pushed = { ...githubBodies.push, ref: githubBodies.merge_group.merge_group.head_ref };
	expect(github.read("push", pushed)).toEqual(group);
	const nested = { ...pushed, ref: `refs/heads/gh-readonly-queue/release/1.x/pr-12-${"b".repeat(40)}` };
	expect(github.read("push", nested)).toMatchObject({ kind: "merge_group", merge_target: "release/1.x" });
	expect(github.read("push", { ...pushed, after: "0".repeat(40) })).toMatch(/was deleted$/);
});

test("the payload of a form is decoded as the URL standard says; any other body stays as it is", () => {
	const form = new Headers({ "Content-Type": "application/x-www-form-urlencoded; charset=utf-8" });
	/** Decoded at once, and as its signature is checked while it comes in byte by byte: both must be the same. */
	const decoded = (text: string, headers = form) => {
		const body = new TextEncoder().encode(text);
		const whole = new TextDecoder().decode(payloadBytes(headers, body));
		const signed: number[] = [];
		const check = checkingPayload({ update: (chunk) => void signed.push(...chunk), isAuthentic: () => true });
		for (const byte of body) check.update(Uint8Array.of(byte));
		expect(check.isAuthentic()).toBe(true);
		if (headers === form) expect(new TextDecoder().decode(Uint8Array.from(signed))).toBe(whole);
		return whole;
	};
	for (const text of ['{"a":"1 + 2 = ü&%"}', "", "%", "%4", "100%25", "a&b"]) {
		const encoded = new URLSearchParams({ payload: text }).toString();
		expect(decoded(encoded)).toBe(text);
	}
	for (const [encoded, text] of [
		["payload=%7b%7D", "{}"],
		["payload=%4", "%4"],
		["payload=%zz%%41", "%zz%A"],
		["payload=a&payload=b&x=1", "a"],
		["payload", "payload"],
		["payloads=a", "payloads=a"],
		['{"ref":"a+b"}', '{"ref":"a+b"}'],
	] as const)
		expect(decoded(encoded)).toBe(text);
	expect(decoded("payload=%7B%7D", new Headers({ "Content-Type": "application/json" }))).toBe("payload=%7B%7D");
});
