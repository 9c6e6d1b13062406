/** Bodies of webhooks as the forges document them, with the fields that are read and some that are not. */

const SHA = "a".repeat(40);
const BASE = "b".repeat(40);
const TAG_OBJECT = "c".repeat(40);
const NONE = "0".repeat(40);
const owner = { id: 1, login: "team" };
const repository = { id: 1, full_name: "team/web", clone_url: "https://git.test/team/web.git", owner };
const sender = { id: 2, login: "ada" };
const commit = { id: SHA, message: "Change", author: { name: "Ada", email: "a@x.test" } };
const pull_request = {
	number: 7,
	title: "A change",
	body: null,
	draft: false,
	labels: [{ id: 1, name: "deploy" }],
	user: { login: "grace" },
	head: { ref: "feature", sha: SHA, repo: repository },
	base: { ref: "main", sha: BASE, repo: repository },
};

export const githubBodies = {
	push: { ref: "refs/heads/main", before: BASE, after: SHA, commits: [commit], head_commit: commit, repository, sender },
	tag: { ref: "refs/tags/v1", before: NONE, after: TAG_OBJECT, commits: [], head_commit: commit, repository, sender },
	pull_request: { action: "opened", number: 7, pull_request, repository, sender },
	retargeted: {
		action: "edited",
		number: 7,
		changes: { base: { ref: { from: "dev" }, sha: { from: BASE } } },
		pull_request,
		repository,
		sender,
	},
	merge_group: {
		action: "checks_requested",
		merge_group: {
			head_sha: SHA,
			head_ref: `refs/heads/gh-readonly-queue/main/pr-7-${BASE}`,
			base_sha: BASE,
			base_ref: "refs/heads/main",
			head_commit: commit,
		},
		repository,
		sender,
	},
};

export const giteaBodies = {
	push: { ...githubBodies.push, pusher: sender, total_commits: 1 },
	pull_request: { ...githubBodies.pull_request, action: "synchronized", commit_id: SHA, requested_reviewer: null },
	retargeted: { ...githubBodies.pull_request, action: "edited", changes: { ref: { from: "dev" } } },
	ready: { ...githubBodies.pull_request, action: "edited", changes: { title: { from: "WIP: A change" } } },
};

const project = { id: 1, path_with_namespace: "team/web", default_branch: "main" };
const merge = {
	iid: 4,
	title: "A change",
	action: "open",
	source_branch: "feature",
	target_branch: "main",
	source_project_id: 1,
	target_project_id: 1,
	source: { namespace: "Team", path_with_namespace: "team/web" },
	last_commit: { id: SHA, message: "m" },
	draft: false,
	work_in_progress: false,
	labels: [{ id: 1, title: "deploy" }],
};
const user = { id: 2, username: "ada" };

export const gitlabBodies = {
	push: {
		object_kind: "push",
		ref: "refs/heads/main",
		before: BASE,
		after: SHA,
		checkout_sha: SHA,
		user_username: "ada",
		project,
		commits: [{ id: SHA, message: "Change" }],
		push_options: {},
	},
	tag: {
		object_kind: "tag_push",
		ref: "refs/tags/v1",
		before: NONE,
		after: TAG_OBJECT,
		checkout_sha: SHA,
		user_username: "ada",
		project,
		commits: [],
	},
	merge_request: { object_kind: "merge_request", user, project, object_attributes: merge, labels: merge.labels, changes: {} },
	updated: {
		object_kind: "merge_request",
		user,
		project,
		object_attributes: { ...merge, action: "update", oldrev: BASE },
		changes: { updated_at: { previous: "2026-11-27", current: "2026-11-28" } },
	},
	retargeted: {
		object_kind: "merge_request",
		user,
		project,
		object_attributes: { ...merge, action: "update" },
		changes: { target_branch: { previous: "dev", current: "main" } },
	},
	ready: {
		object_kind: "merge_request",
		user,
		project,
		object_attributes: { ...merge, action: "update" },
		changes: { draft: { previous: true, current: false }, title: { previous: "Draft: A change", current: "A change" } },
	},
};

export const genericBodies = { push: { ref: "refs/heads/main", after: SHA, before: BASE, message: "Change", actor: "ada" } };

/** A body with one of its fields changed: every field, at every depth, set to null and removed. */
export function* withEachFieldMissing(body: object): Generator<{ path: string; body: unknown }> {
	for (const path of pathsOf(body)) {
		for (const isRemoved of [true, false]) {
			// By way of text, so that no two fields are one object.
			const changed = JSON.parse(JSON.stringify(body)) as Record<string, unknown>;
			const holder = path.slice(0, -1).reduce((at, key) => at[key] as Record<string, unknown>, changed);
			const key = path.at(-1) ?? "";
			if (isRemoved && !Array.isArray(holder)) delete holder[key];
			else holder[key] = null;
			yield { path: path.join("."), body: changed };
		}
	}
}

function* pathsOf(value: unknown): Generator<string[]> {
	if (typeof value !== "object" || value === null) return;
	for (const [key, inner] of Object.entries(value)) {
		yield [key];
		for (const path of pathsOf(inner)) yield [key, ...path];
	}
}
