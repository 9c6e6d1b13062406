import { describe, expect, test } from "vitest";
import { type CachingRun, scopesOf } from "../../worker/caches/scopes.ts";

/** The kinds of runs, each with how much it is trusted: what a lower one writes, no higher one may read. */
const RUNS: Record<string, CachingRun & { trust: number }> = {
	"the default branch": { ...of({ branch: "main" }), trust: 5 },
	"another branch": { ...of({ branch: "feature" }), trust: 4 },
	"a third branch": { ...of({ branch: "other" }), trust: 4 },
	"a tag": { ...of({ tag: "v1" }), trust: 4 },
	"a submission without a branch": { ...of({}), trust: 3 },
	"an uploaded working copy of another branch": { ...of({ branch: "feature" }), isUpload: true, trust: 3 },
	"a pull request": { ...of({ branch: "feature", pull_request: "7", target_branch: "main" }), trust: 2 },
	"a pull request to another branch": { ...of({ branch: "more", pull_request: "8", target_branch: "feature" }), trust: 2 },
	"a merge group": { ...of({ branch: "queue/main/pr-7", target_branch: "main" }), trust: 4 },
	"a fork": { ...of({ branch: "main", pull_request: "9", target_branch: "main" }, false), trust: 1 },
	"another fork": { ...of({ branch: "main", pull_request: "10", target_branch: "main" }, false), trust: 1 },
	"a fork with the number of a pull request": { ...of({ branch: "x", pull_request: "7", target_branch: "main" }, false), trust: 1 },
};

function of(facts: Partial<CachingRun["facts"]>, isTrusted = true): CachingRun {
	return { facts: { branch: "", tag: "", pull_request: "", target_branch: "", ...facts }, isTrusted, isUpload: false };
}

/** Whose caches each run reads besides its own. */
const READS: Record<string, readonly string[]> = {
	"another branch": ["the default branch"],
	"a third branch": ["the default branch"],
	"a tag": ["the default branch"],
	"a submission without a branch": ["an uploaded working copy of another branch", "the default branch"],
	"an uploaded working copy of another branch": ["a submission without a branch", "another branch", "the default branch"],
	"a pull request": ["the default branch"],
	"a pull request to another branch": ["another branch", "the default branch"],
	"a merge group": ["the default branch"],
	"a fork": ["the default branch"],
	"another fork": ["the default branch"],
	"a fork with the number of a pull request": ["the default branch"],
};

describe("the scope of caches", () => {
	const names = Object.keys(RUNS);
	const scopes = (name: string) => scopesOf(RUNS[name] as CachingRun, "branch", "main");

	for (const reader of names)
		for (const writer of names) {
			const isRead = reader === writer || (READS[reader] ?? []).includes(writer);
			test(`${reader} ${isRead ? "reads" : "does not read"} what ${writer} writes`, () => {
				expect(scopes(reader)?.readable.includes(scopes(writer)?.own ?? "")).toBe(isRead);
				const isShared = scopes(reader)?.own === scopes(writer)?.own;
				if (isShared) expect(RUNS[writer]?.trust).toBe(RUNS[reader]?.trust);
				else if (isRead) expect(RUNS[writer]?.trust).toBeGreaterThan(RUNS[reader]?.trust ?? 0);
			});
		}

	test("the whole project is for trusted runs alone, and no branch can be called so", () => {
		const ofProject = names.map((name) => [name, scopesOf(RUNS[name] as CachingRun, "project", "main")?.own ?? null]);
		expect(ofProject).toEqual(names.map((name) => [name, RUNS[name]?.isTrusted ? "project" : null]));
		for (const branch of ["project", "submitted", "pull 7", "fork 9"]) {
			const { own } = scopesOf(of({ branch }), "branch", "main") ?? { own: "" };
			expect(names.map((name) => scopes(name)?.own)).not.toContain(own);
			expect(own).not.toBe("project");
		}
	});
});
