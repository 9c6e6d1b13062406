import { describe, expect, test } from "vitest";
import { forgeOf, isAddressOf } from "../../worker/forges/forge.ts";
import { github } from "../../worker/forges/github.ts";
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
		expect(of(null, "https://git.lan/a/b")).toBe("the project does not say what its forge is");
		for (const repository of [null, "/srv/git/web.git", "file:///srv/git/web.git"])
			expect(of("gitea", repository)).toBe("the repository of the project is not on a forge");
	});

	test("in a folder of its host is known by where its API is", () => {
		expect(at("gitea", "https://lan.test/git/team/web.git", "https://lan.test/git/api/v1")).toBe("https://lan.test/git/api/v1 team/web");
		expect(at("gitlab", "https://lan.test/lab/group/web", "https://lan.test/lab/api/v4/")).toBe("https://lan.test/lab/api/v4 group/web");
		expect(at("gitea", "https://lan.test/git/web.git", "https://lan.test/api/v1")).toBe("https://lan.test/api/v1 git/web");
		expect(at("gitea", "https://lan.test/git/web.git", "http://10.0.0.1:3000/elsewhere")).toBe("http://10.0.0.1:3000/elsewhere git/web");
	});
});

describe("a delivery", () => {
	test.each([
		["https://git.test/team/web.git", "team/web", true],
		["https://git.test/Team/Web", "team/web", true],
		["git@git.test:team/web.git", "team/web", true],
		["https://git.test/in/a/folder/team/web.git", "team/web", true],
		["/srv/git/web.git", "team/web", false],
		["/team/web.git", "team/web", true],
		["http://127.0.0.1:8080/web.git", "team/web", true],
		["https://git.test/team/web.git", "other/web", false],
		["https://git.test/team/web.git", "team/web2", false],
		["https://git.test/group/sub/web.git", "other/sub/web", false],
		["https://git.test/team/web.git", "web", true],
		["https://git.test/team/web.git", "", false],
	])("for the project of %s, about %s: %s", (address, name, expected) => expect(isAddressOf(address, name)).toBe(expected));

	test("says what it is about, or is none", () => {
		const push = githubPush({ after: SHA });
		expect(github.repositoryOf(push)).toBe("team/web");
		const { repository: _, ...without } = push;
		expect(github.repositoryOf(without)).toBeNull();
		expect(() => github.read("push", without)).toThrow("The delivery has no repository.");
		expect(github.repositoryOf("text")).toBeNull();
	});
});
