import { describe, expect, test } from "vitest";
import { whySkipped } from "../../schema/wire/triggers.ts";
import { retryAfterOf } from "../../worker/outbound/retry_after.ts";
import { type DeliveredOf, noticesOfDeliveries } from "../../worker/webhooks/delivery_notices.ts";
import { addressNamed, apiGuess, forgeOf, mayBeCalled } from "../../worker/webhooks/forge.ts";
import { github } from "../../worker/webhooks/github.ts";
import { githubPush } from "../support/forge.ts";

const SHA = "a".repeat(40);

describe("the forge of a project", () => {
	const at = (forge: "github" | "gitea" | "gitlab", repository: string, forge_api: string | null = null) => {
		const found = forgeOf({ forge, repository, forge_api });
		return typeof found === "string" ? found : `${found.api} ${found.repository}`;
	};

	test.each([
		["github", "https://github.com/team/web.git", "https://api.github.com team/web"],
		["github", "git@GitHub.com:team/web.git", "https://api.github.com team/web"],
		["github", "ssh://git@ssh.github.com:443/team/web", "https://api.github.com team/web"],
		["github", "https://git.corp.test/team/web", "https://git.corp.test/api/v3 team/web"],
		["gitea", "http://git.lan:3000/team/web.git/", "http://git.lan:3000/api/v1 team/web"],
		["gitea", "ssh://git@git.lan:2222/team/web.git", "https://git.lan/api/v1 team/web"],
		["gitlab", "git@lab.lan:group/sub/web.git", "https://lab.lan/api/v4 group/sub/web"],
	] as const)("%s at %s", (forge, repository, expected) => expect(at(forge, repository)).toBe(expected));

	test("is none where the project does not say, or its repository is on none", () => {
		const of = (forge: "gitea" | null, repository: string | null) => forgeOf({ forge, repository, forge_api: null });
		expect(of(null, "https://git.lan/a/b")).toBe("the project has no forge");
		for (const repository of [null, "/srv/git/web.git", "file:///srv/git/web.git"])
			expect(of("gitea", repository)).toBe("the address of the repository names no host");
	});

	test.each<[string, string | null, string | null]>([
		["ssh://git@git.lan:2222/team/web.git", null, "https://git.lan/api/v1"],
		["git@git.lan:team/web.git", null, "https://git.lan/api/v1"],
		["git://git.lan/team/web.git", null, "https://git.lan/api/v1"],
		["ssh://git@git.lan:2222/team/web.git", "http://git.lan:3000/api/v1", null],
		["https://git.lan/team/web.git", null, null],
		["ssh://git@codeberg.org/team/web.git", null, null],
		["git@gitlab.com:team/web.git", null, null],
		["/srv/git/web.git", null, null],
	])("of %s, whose API is %s, is a guess: %s", (repository, forge_api, expected) =>
		expect(apiGuess({ forge: "gitea", repository, forge_api })).toBe(expected),
	);

	test("over SSH at a public host is where its pages are", () => {
		expect(at("gitlab", "ssh://git@altssh.gitlab.com:443/group/web.git")).toBe("https://gitlab.com/api/v4 group/web");
	});

	test("in a folder of its host is known by where its API is", () => {
		expect(at("gitea", "https://lan.test/git/team/web.git", "https://lan.test/git/api/v1")).toBe("https://lan.test/git/api/v1 team/web");
		expect(at("gitlab", "https://lan.test/lab/group/web", "https://lan.test/lab/api/v4/")).toBe("https://lan.test/lab/api/v4 group/web");
		expect(at("gitea", "https://lan.test/git/web.git", "https://lan.test/api/v1")).toBe("https://lan.test/api/v1 git/web");
		expect(at("gitea", "https://lan.test/git/web.git", "http://10.0.0.1:3000/elsewhere")).toBe("http://10.0.0.1:3000/elsewhere git/web");
	});
});

describe("a delivery", () => {
	test.each<[string, string | null, string, boolean]>([
		["https://git.test/team/web.git", null, "team/web", true],
		["https://git.test/Team/Web", null, "team/web", true],
		["git@git.test:team/web.git", null, "team/web", true],
		["ssh://git@git.test:22/team/my%20web.git", null, "team/my web", true],
		["https://git.test/git/team/web.git", "https://git.test/git/api/v1", "team/web", true],
		["https://git.test/team/web.git", null, "other/web", false],
		["https://git.test/team/web.git", null, "team/web2", false],
		// Groups may lie in groups, and whoever has one may call what is in it as he likes.
		["https://lab.test/acme/web.git", null, "mallory/acme/web", false],
		["https://lab.test/acme/team/web.git", null, "team/web", false],
		["https://lab.test/acme/web.git", "https://lab.test/acme/api/v4", "mallory/web", false],
		["https://git.test/web.git", null, "team/web", false],
		["https://git.test/team/web.git", null, "", false],
		["/srv/git/web.git", null, "team/web", true],
	])("for the project of %s, whose API is %s, about %s: %s", (repository, forge_api, name, expected) =>
		expect(mayBeCalled({ repository, forge_api }, name)).toBe(expected),
	);

	test.each<["push" | "tag" | "pull_request" | "schedule" | "manual", boolean]>([
		["push", true],
		["pull_request", true],
		["tag", false],
		["schedule", false],
		["manual", false],
	])("of kind %s about a commit with [skip ci] asks for no run: %s", (kind, expected) => {
		const skipped = expected ? "the commit asks for it ([skip ci])" : null;
		for (const words of ["[skip ci]", "[CI SKIP]", "[no ci]", "[skip-ci]"])
			expect(whySkipped({ kind }, `chore(release): 1.2.3 ${words}\n\nnotes`)).toBe(skipped);
		expect(whySkipped({ kind }, "skip ci")).toBeNull();
	});

	test("says what it is about, or is none", () => {
		const push = githubPush({ after: SHA });
		expect(github.repositoryOf(push)).toBe("team/web");
		const { repository: _, ...without } = push;
		expect(github.repositoryOf(without)).toBeNull();
		expect(() => github.read("push", without)).toThrow("The delivery has no repository.");
		expect(github.repositoryOf("text")).toBeNull();
	});
});

describe("a repository that was renamed", () => {
	test.each<[string, string | null, string, string | null]>([
		["https://git.test/team/web.git", null, "team/site", "https://git.test/team/site.git"],
		["https://git.test/team/web", null, "other/site", "https://git.test/other/site"],
		["git@git.test:team/web.git", null, "team/site", "git@git.test:team/site.git"],
		["ssh://git@git.test:22/team/web.git", null, "team/site", "ssh://git@git.test:22/team/site.git"],
		["https://git.test/git/team/web.git", "https://git.test/git/api/v1", "team/site", "https://git.test/git/team/site.git"],
		["https://web.test/web/web.git", null, "web/site", "https://web.test/web/site.git"],
		["https://git.test/team/web.git", null, "team/a'; rm -rf ~", null],
		["/srv/git/web.git", null, "team/site", null],
	])("%s (API: %s) called %s is at %s", (repository, forge_api, name, expected) =>
		expect(addressNamed({ repository, forge_api }, name)).toBe(expected),
	);
});

describe("what the newest deliveries show", () => {
	const MINUTE = 60_000;
	const project = { name: "web", repository: "https://git.test/team/web.git", forge_api: null };
	/** Newest first, a minute apart from now. */
	const notices = (heard: Partial<DeliveredOf>[], now = 100 * MINUTE) => {
		const none = { repository: "team/web", kind: null, branch: null, sha: null, number: null, event: null, is_from_fork: null };
		return noticesOfDeliveries(
			project,
			heard.map((one, minutes) => ({ ...none, received_at: now - (minutes + 5) * MINUTE, ...one })),
			now,
		);
	};

	test("three in a row about one other repository: it was renamed, perhaps", () => {
		const renamed = { repository: "team/site" };
		const own = { repository: "Team/Web" };
		expect(notices([renamed, { repository: null }, { repository: "Team/Site" }, renamed, own])).toEqual([
			"The newest 3 deliveries name the repository team/site; the project has https://git.test/team/web.git. If the repository was renamed, run: windlass projects edit web --repository 'https://git.test/team/site.git'",
		]);
		for (const other of [
			[renamed, renamed],
			// The webhook of a whole organization tells of both, now and before.
			[renamed, renamed, renamed, own, { repository: "Team/Site" }],
			[renamed, renamed, own],
			[own, renamed, renamed, renamed],
			[renamed, { repository: "team/a" }, renamed],
			[own, own, own],
		])
			expect(notices(other)).toEqual([]);
		expect(notices(Array(3).fill({ repository: "team/$(reboot)" }))[0]).toMatch(/--repository <its new address>$/);
	});

	test("a push to the branch of a pull request without its update: a box is missing", () => {
		const opened = { kind: "pull_request", branch: "feature", sha: "a", number: 7, event: "opened", is_from_fork: 0 } as const;
		const push = { kind: "push", branch: "feature", sha: "b" } as const;
		const updated = { ...opened, sha: "b", event: "updated" } as const;
		expect(notices([push, opened])).toEqual([expect.stringContaining("no update of pull request #7")]);
		for (const fine of [
			[updated, push, opened],
			[push, updated, opened],
			[{ ...push, branch: "other" }, opened],
			[opened, push],
			[push, { ...opened, is_from_fork: 1 }],
			[push, { ...opened, event: "closed" }],
			[{ ...push, sha: "a" }, opened],
			[{ ...push, repository: "other/repository" }, opened],
			[{ ...push, received_at: 99 * MINUTE }, opened],
		])
			expect(notices(fine)).toEqual([]);
	});
});

describe("the pause that a server asks for", () => {
	const now = Date.UTC(2026, 10, 29, 12, 0, 0);
	const inSeconds = (seconds: number) => String(now / 1000 + seconds);
	test.each<[string, Record<string, string>, boolean, number | null]>([
		["in seconds", { "Retry-After": "120" }, false, 120_000],
		["as a date", { "Retry-After": "Sun, 29 Nov 2026 12:01:00 GMT" }, false, 60_000],
		["as a date of RFC 850", { "Retry-After": "Sunday, 29-Nov-26 12:01:00 GMT" }, false, 60_000],
		["as a date of asctime", { "Retry-After": "Sun Nov 29 12:01:00 2026" }, false, 60_000],
		["as a date that is over", { "Retry-After": "Sun, 29 Nov 2026 11:00:00 GMT" }, false, 0],
		[
			"by the clock of the server",
			{ "Retry-After": "Sun, 29 Nov 2026 13:01:00 GMT", Date: "Sun, 29 Nov 2026 13:00:00 GMT" },
			false,
			60_000,
		],
		["in words", { "Retry-After": "soon" }, true, null],
		["as a negative number", { "Retry-After": "-5" }, true, null],
		["by GitHub", { "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": inSeconds(900) }, true, 900_000],
		["by GitHub, with requests left", { "X-RateLimit-Remaining": "12", "X-RateLimit-Reset": inSeconds(900) }, true, null],
		["by GitLab", { "RateLimit-Remaining": "0", "RateLimit-Reset": inSeconds(30) }, true, 30_000],
		["by GitLab, without what is left", { "RateLimit-Reset": inSeconds(30) }, true, 30_000],
		["by a reset as a pause", { "RateLimit-Remaining": "0", "RateLimit-Reset": "30" }, true, 30_000],
		["by a reset that is over", { "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": inSeconds(-5) }, true, 0],
		["by a reset of no limit", { "RateLimit-Reset": inSeconds(30) }, false, null],
		["in seconds before a reset", { "Retry-After": "1", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": inSeconds(900) }, true, 1_000],
		["nowhere", {}, true, null],
	])("is read %s", (_, headers, isLimited, expected) => expect(retryAfterOf(new Headers(headers), isLimited, now)).toBe(expected));
});
