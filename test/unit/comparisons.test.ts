import { describe, expect, test } from "vitest";
import { readListing } from "../../agent/git/list_refs.ts";
import { type ResolvedPipeline, withDefaults } from "../../schema/pipeline/resolve/resolved.ts";
import { MAX_REF_LENGTH, MAX_REFS } from "../../schema/wire/limits.ts";
import { listedRefs } from "../../schema/wire/refs.ts";
import { comparedProject, comparisonPipeline } from "../../worker/discovery/comparison_pipeline.ts";
import {
	type ComparedProject,
	compareAll,
	followProject,
	readComparisons,
	recordComparisonError,
	unfollowProject,
} from "../../worker/queue/core/discovery/comparisons.ts";
import { recordDelivered, submitComparison, submitDelivered } from "../../worker/queue/core/discovery/refs.ts";
import type { Effect } from "../../worker/queue/core/effects/effect_types.ts";
import { recordOutcomes, takeEffects } from "../../worker/queue/core/effects/effects.ts";
import { finishAttempt, type LeaseClaims } from "../../worker/queue/core/leases/attempts.ts";
import { SUBMITTED, type Submit } from "../../worker/queue/core/runs/submit.ts";
import { recordOpening } from "../../worker/queue/core/sweep.ts";
import { result } from "../support/protocol_agent.ts";
import { Queue } from "../support/queue.ts";

const sha = (letter: string) => letter.repeat(40);
const WEB: ComparedProject = { project: "web", repository: "https://git.test/web.git", pollMs: null };
const MINUTE_MS = 60_000;

/** A queue that compares the refs of a project, and an agent that lists them. */
class Comparing extends Queue {
	readonly agentId = this.agent("builder", { slots: 4 });
	#runs = 0;

	constructor(compared: ComparedProject = WEB) {
		super();
		followProject(this.core, compared);
	}

	get state() {
		return readComparisons(this.core, "web")[0];
	}

	/** The effects that are due, which have happened with this. */
	effects(): Effect[] {
		const due = [];
		for (let taken = takeEffects(this.core, 100, 1_000); taken.length > 0; taken = takeEffects(this.core, 100, 1_000)) {
			due.push(...taken.map(({ effect }) => effect));
			recordOutcomes(
				this.core,
				taken.map((pending) => ({ pending, archived: null, error: null })),
			);
		}
		return due.filter(({ kind }) => kind !== "archive_log");
	}

	/** Begins a comparison, if none is under way. @returns its run */
	begin(): string {
		return submitComparison(this.core, this.#submission(comparisonPipeline(WEB.repository)), () => undefined).runId;
	}

	#submission(pipeline: ResolvedPipeline): Submit {
		this.#runs += 1;
		return {
			runId: `run_${this.#runs}`,
			pipeline,
			definition: `digest of ${pipeline.name}`,
			project: "web",
			trigger: { kind: "push", actor: "ada", delivery: "dlv" },
			commit: null,
			origin: SUBMITTED,
			rerun: null,
			idempotency: null,
		};
	}

	list(lease: LeaseClaims, refs: Record<string, string>, digest = "digest"): void {
		const listed = Object.entries(refs).map(([ref, id]) => ({ ref, sha: id, tag_object: null }));
		finishAttempt(this.core, lease, result({ refs: listed }), digest, []);
	}

	/** A whole comparison. @returns what was new, with where it was before */
	compare(refs: Record<string, string>): Record<string, [string, string | null]> {
		this.begin();
		this.now += 10;
		this.list(this.take(this.agentId), refs);
		this.now += 10;
		return this.found();
	}

	found(): Record<string, [string, string | null]> {
		const effects = this.effects().filter((one) => one.kind === "submit_found_refs");
		return Object.fromEntries(effects.flatMap(({ refs }) => refs.map((one) => [one.ref, [one.sha, one.before]])));
	}

	/** A delivery, or what a comparison has found being taken. @returns its run, and how it stands to comparisons */
	recordRef(ref: string, commit: string, { isCompared = false, before = null as string | null } = {}) {
		const submit = this.#submission(withDefaults({ name: "discovery", source: null, priority: 0, jobs: [] }));
		return submitDelivered(this.core, submit, { project: "web", ref, sha: commit, before, isCompared }, () => undefined);
	}
}

describe("what a comparison finds", () => {
	test("the first records; after that branches at another commit and new branches and tags are new, each once", () => {
		const queue = new Comparing();
		expect(queue.compare({ "refs/heads/main": sha("a"), "refs/tags/v1": sha("a") })).toEqual({});
		expect(
			queue.compare({ "refs/heads/main": sha("b"), "refs/heads/new": sha("c"), "refs/tags/v1": sha("a"), "refs/tags/v2": sha("b") }),
		).toEqual({
			"refs/heads/main": [sha("b"), sha("a")],
			"refs/heads/new": [sha("c"), null],
			"refs/tags/v2": [sha("b"), null],
		});
		expect(queue.state).toMatchObject({ found: 3, compared_at: expect.any(Number), error: null });
		expect(
			queue.compare({ "refs/heads/main": sha("b"), "refs/heads/new": sha("c"), "refs/tags/v1": sha("a"), "refs/tags/v2": sha("b") }),
		).toEqual({});
		expect(queue.state).toMatchObject({ found: 0 });
	});

	test("a deleted branch counts as new when it comes again", () => {
		const queue = new Comparing();
		queue.compare({ "refs/heads/main": sha("a"), "refs/heads/topic": sha("b") });
		queue.compare({ "refs/heads/main": sha("a") });
		expect(queue.compare({ "refs/heads/main": sha("a"), "refs/heads/topic": sha("b") })).toEqual({
			"refs/heads/topic": [sha("b"), null],
		});
	});

	test("a repository that has lost all of its refs is recorded anew: no flood of runs when they are back", () => {
		const queue = new Comparing();
		queue.compare({ "refs/heads/main": sha("a"), "refs/heads/topic": sha("b") });
		expect(queue.compare({})).toEqual({});
		expect(queue.compare({ "refs/heads/main": sha("a"), "refs/heads/topic": sha("b") })).toEqual({});
		expect(queue.compare({ "refs/heads/main": sha("c"), "refs/heads/topic": sha("b") })).toEqual({
			"refs/heads/main": [sha("c"), sha("a")],
		});
	});

	test("the first push to a repository that was empty is new", () => {
		const queue = new Comparing();
		queue.compare({});
		expect(queue.compare({ "refs/heads/main": sha("a") })).toEqual({ "refs/heads/main": [sha("a"), null] });
	});

	test("thousands of refs are taken in portions", () => {
		const queue = new Comparing();
		queue.compare({});
		const refs = Object.fromEntries(Array.from({ length: 2_500 }, (_, index) => [`refs/tags/v${index}`, sha("a")]));
		queue.begin();
		queue.now += 10;
		queue.list(queue.take(queue.agentId), refs);
		const portions = queue.effects().filter((one) => one.kind === "submit_found_refs");
		expect(portions.map((one) => one.refs.length)).toEqual(Array.from({ length: 125 }, () => 20));
		expect(queue.compare(refs)).toEqual({});
	});
});

describe("deliveries and comparisons", () => {
	test("a ref of a delivery is not new, whether the delivery names the commit of a tag or the tag", () => {
		const queue = new Comparing();
		queue.compare({});
		expect(queue.recordRef("refs/heads/main", sha("a"))).toMatchObject({ standing: "new" });
		queue.recordRef("refs/tags/v1", sha("f"));
		queue.begin();
		queue.now += 10;
		const refs = [
			{ ref: "refs/heads/main", sha: sha("a"), tag_object: null },
			{ ref: "refs/tags/v1", sha: sha("a"), tag_object: sha("f") },
		];
		finishAttempt(queue.core, queue.take(queue.agentId), result({ refs }), "digest", []);
		expect(queue.found()).toEqual({});
	});

	test("a late delivery of a push that a comparison found gets the id of its run, and starts no run", () => {
		const queue = new Comparing();
		queue.compare({});
		queue.compare({ "refs/heads/main": sha("b") });
		expect(queue.recordRef("refs/heads/main", sha("b"))).toEqual({ runId: null, standing: "found" });
		const { runId } = queue.recordRef("refs/heads/main", sha("b"), { isCompared: true });
		expect(queue.recordRef("refs/heads/main", sha("b"))).toEqual({ runId, standing: "found" });
		// A delivery that does not say what was before counts as a newer one; the found commit is not new for it.
		expect(queue.recordRef("refs/heads/main", sha("a"))).toMatchObject({ standing: "new" });
		expect(queue.compare({ "refs/heads/main": sha("b") })).toEqual({});
		// The same commit on another branch is another push.
		expect(queue.recordRef("refs/heads/other", sha("b"))).toMatchObject({ standing: "new" });
	});

	test("two deliveries of one commit start two runs: a branch may go back to a commit", () => {
		const queue = new Comparing();
		for (const commit of ["a", "b", "a"]) expect(queue.recordRef("refs/heads/main", sha(commit))).toMatchObject({ standing: "new" });
	});

	test("what was delivered while an agent listed the refs is newer than its list", () => {
		const queue = new Comparing();
		queue.compare({ "refs/heads/main": sha("a") });
		queue.begin();
		queue.now += 10;
		const lease = queue.take(queue.agentId);
		queue.now += 10;
		queue.recordRef("refs/heads/main", sha("c"));
		queue.recordRef("refs/heads/new", sha("d"));
		queue.list(lease, { "refs/heads/main": sha("b") });
		queue.now += 10;
		expect(queue.found()).toEqual({});
		expect(queue.compare({ "refs/heads/main": sha("c"), "refs/heads/new": sha("d") })).toEqual({});
	});

	test("a commit that a delivery has asked to skip is not new", () => {
		const queue = new Comparing();
		queue.compare({});
		recordDelivered(queue.core, { project: "web", ref: "refs/heads/main", sha: sha("a"), before: null, isCompared: false });
		queue.now += 10;
		expect(queue.compare({ "refs/heads/main": sha("a") })).toEqual({});
	});

	test("an older commit does not run after the newer one that a comparison has found, however late its delivery comes", () => {
		const queue = new Comparing();
		queue.compare({ "refs/heads/main": sha("0") });
		queue.compare({ "refs/heads/main": sha("b") });
		const { runId } = queue.recordRef("refs/heads/main", sha("b"), { isCompared: true });
		expect(queue.recordRef("refs/heads/main", sha("a"), { before: sha("0") })).toEqual({ runId: null, standing: "out_of_order" });
		expect(queue.recordRef("refs/heads/main", sha("b"), { before: sha("a") })).toEqual({ runId, standing: "found" });
		// The next push, and a forced push back to what was found, follow what is known.
		expect(queue.recordRef("refs/heads/main", sha("c"), { before: sha("b") })).toMatchObject({ standing: "new" });
		const back = queue.recordRef("refs/heads/main", sha("b"), { before: sha("c") });
		expect(back).toMatchObject({ standing: "new" });
		expect(back.runId).not.toBe(runId);
		// A call that is repeated after its answer was lost is the same delivery.
		expect(queue.recordRef("refs/heads/main", sha("b"), { before: sha("c") })).toMatchObject({ standing: "new" });
		expect(queue.recordRef("refs/heads/main", sha("d"), { before: sha("b") })).toMatchObject({ standing: "new" });
	});

	test("an older commit that asks to be skipped does not hide what a comparison has found", () => {
		const queue = new Comparing();
		queue.compare({ "refs/heads/main": sha("0") });
		queue.compare({ "refs/heads/main": sha("b") });
		recordDelivered(queue.core, { project: "web", ref: "refs/heads/main", sha: sha("a"), before: sha("0"), isCompared: false });
		expect(queue.recordRef("refs/heads/main", sha("1"), { before: sha("a") })).toMatchObject({ standing: "out_of_order" });
		expect(queue.recordRef("refs/heads/main", sha("c"), { before: sha("b") })).toMatchObject({ standing: "new" });
		// It may be the newest even so: then it is skipped, and no comparison runs it.
		queue.now += 10;
		expect(queue.compare({ "refs/heads/main": sha("a") })).toEqual({});
	});

	test("a push whose delivery comes before the one that it follows, or whose forerunner is lost, is found by another comparison", () => {
		const queue = new Comparing();
		queue.compare({ "refs/heads/main": sha("0") });
		queue.compare({ "refs/heads/main": sha("b") });
		queue.pass(2 * MINUTE_MS);
		queue.effects();
		expect(queue.recordRef("refs/heads/main", sha("d"), { before: sha("c") })).toMatchObject({ standing: "out_of_order" });
		expect(queue.recordRef("refs/heads/main", sha("c"), { before: sha("b") })).toMatchObject({ standing: "new" });
		queue.pass(MINUTE_MS);
		expect(queue.effects()).toContainEqual({ kind: "compare_refs", project: "web" });
		expect(queue.compare({ "refs/heads/main": sha("d") })).toEqual({ "refs/heads/main": [sha("d"), sha("c")] });
	});

	test("of an annotated tag that a comparison has found, the forge says the tag as what was before", () => {
		const queue = new Comparing();
		queue.compare({});
		queue.begin();
		queue.now += 10;
		const refs = [{ ref: "refs/tags/v1", sha: sha("a"), tag_object: sha("f") }];
		finishAttempt(queue.core, queue.take(queue.agentId), result({ refs }), "digest", []);
		expect(queue.recordRef("refs/tags/v1", sha("c"), { before: sha("e") })).toMatchObject({ standing: "out_of_order" });
		expect(queue.recordRef("refs/tags/v1", sha("b"), { before: sha("f") })).toMatchObject({ standing: "new" });
	});

	test("after the clock was stepped back, a delivery of before is not newer than what an agent lists", () => {
		const queue = new Comparing();
		queue.compare({ "refs/heads/main": sha("a") });
		queue.recordRef("refs/heads/main", sha("b"));
		queue.now -= 5 * 60 * MINUTE_MS;
		queue.pass(2_000);
		expect(queue.compare({ "refs/heads/main": sha("c") })).toEqual({ "refs/heads/main": [sha("c"), sha("b")] });
	});
});

describe("when refs are compared", () => {
	const asked = (queue: Comparing) => queue.effects().filter(({ kind }) => kind === "compare_refs" || kind === "compare_all");

	test("a minute after the project is set up, and then not before the next outage", () => {
		const queue = new Comparing();
		queue.pass(MINUTE_MS - 1_000);
		expect(asked(queue)).toEqual([]);
		queue.pass(1_000);
		expect(asked(queue)).toEqual([{ kind: "compare_refs", project: "web" }]);
		queue.compare({});
		queue.pass(10 * 60 * MINUTE_MS);
		expect(asked(queue)).toEqual([]);
		recordOpening(queue.core, "another start");
		expect(asked(queue)).toEqual([{ kind: "compare_all" }]);
		compareAll(queue.core, [WEB]);
		queue.pass(1);
		expect(asked(queue)).toEqual([{ kind: "compare_refs", project: "web" }]);
	});

	test("as often as the project polls; a computer that was suspended is an outage", () => {
		const queue = new Comparing({ ...WEB, pollMs: 5 * MINUTE_MS });
		queue.compare({});
		queue.pass(16 * MINUTE_MS);
		expect(asked(queue)).toHaveLength(1);
		queue.pass(5 * MINUTE_MS);
		expect(asked(queue)).toHaveLength(1);
		queue.absence(60 * MINUTE_MS);
		expect(
			asked(queue)
				.map(({ kind }) => kind)
				.sort(),
		).toEqual(["compare_all", "compare_refs"]);
	});

	test("while one comparison is under way no other begins, and a request for another gets that one", () => {
		const queue = new Comparing({ ...WEB, pollMs: MINUTE_MS });
		const first = queue.begin();
		queue.pass(10 * MINUTE_MS);
		expect(asked(queue)).toEqual([]);
		expect(queue.begin()).toBe(first);
	});

	test("an agent that dies in a comparison has another take it; a result that comes twice is taken once", () => {
		const queue = new Comparing();
		queue.compare({ "refs/heads/main": sha("a") });
		const runId = queue.begin();
		queue.take(queue.agentId);
		queue.pass(2 * MINUTE_MS);
		const other = queue.agent("other");
		const lease = queue.take(other);
		queue.now += 10;
		queue.list(lease, { "refs/heads/main": sha("b") });
		queue.list(lease, { "refs/heads/main": sha("b") });
		expect(queue.found()).toEqual({ "refs/heads/main": [sha("b"), sha("a")] });
		expect(queue.run(runId).state).toBe("succeeded");
	});

	test("a comparison that fails says why and is repeated, each time later; the next that succeeds clears it", () => {
		const queue = new Comparing();
		for (const pause of [1, 2, 4]) {
			queue.begin();
			const reason = { code: "checkout_failed", text: "git ls-remote failed: no such host" };
			queue.finish(queue.take(queue.agentId), { state: "errored", exit_code: null, reason });
			expect(queue.state).toMatchObject({ error: "compare: git ls-remote failed: no such host", next_at: queue.now + pause * MINUTE_MS });
		}
		queue.compare({});
		expect(queue.state).toMatchObject({ error: null, failures: 0 });
	});

	test("a project that polls seldom is compared soon after an outage, even while another comparison is under way or fails", () => {
		const queue = new Comparing({ ...WEB, pollMs: 7 * 24 * 60 * MINUTE_MS });
		queue.begin();
		compareAll(queue.core, [{ ...WEB, pollMs: 7 * 24 * 60 * MINUTE_MS }]);
		queue.pass(1);
		expect(queue.state?.next_at).toBeLessThanOrEqual(queue.now + MINUTE_MS);
		const reason = { code: "checkout_failed", text: "git ls-remote failed: no such host" };
		queue.finish(queue.take(queue.agentId), { state: "errored", exit_code: null, reason });
		expect(queue.state?.next_at).toBe(queue.now + MINUTE_MS);
	});

	test("an agent that is too old to list refs is a failure, too", () => {
		const queue = new Comparing();
		queue.begin();
		queue.finish(queue.take(queue.agentId));
		expect(queue.state?.error).toBe("The agent listed no refs. Update the agent to the version of the coordinator.");
	});

	test("a changed repository is recorded anew, and the refs of a deleted project are deleted", () => {
		const queue = new Comparing();
		queue.compare({ "refs/heads/main": sha("a") });
		followProject(queue.core, { ...WEB, pollMs: MINUTE_MS });
		expect(queue.state).toMatchObject({ is_recorded: 1, poll_ms: MINUTE_MS, next_at: queue.now + MINUTE_MS });
		followProject(queue.core, { ...WEB, repository: "https://git.test/other.git" });
		expect(queue.state).toMatchObject({ is_recorded: 0, compared_at: null });
		recordComparisonError(queue.core, "web", "There is no such secret.");
		expect(queue.state?.error).toBe("There is no such secret.");
		compareAll(queue.core, []);
		unfollowProject(queue.core, "web");
		for (const table of ["comparisons", "known_refs", "delivered_commits"]) expect(queue.sql.all(`SELECT * FROM ${table}`)).toEqual([]);
		expect(queue.sql.all("SELECT * FROM timers WHERE kind = 'comparison'")).toEqual([]);
	});

	test("a project without a repository, or that asked for no runs of pushes, is not compared", () => {
		const row = { name: "web", repository: "https://git.test/web.git", hook_secret: null, poll: null } as Parameters<
			typeof comparedProject
		>[0];
		expect(comparedProject(row)).toBeNull();
		expect(comparedProject({ ...row, hook_secret: "hook" })).toEqual(WEB);
		expect(comparedProject({ ...row, poll: "5m" })).toEqual({ ...WEB, pollMs: 5 * MINUTE_MS });
		expect(comparedProject({ ...row, poll: "5m", repository: null })).toBeNull();
	});
});

describe("what an agent lists", () => {
	test("branches and tags, an annotated tag at its commit", () => {
		const listing = [
			`${sha("a")}\trefs/heads/main`,
			`${sha("b")}\trefs/tags/v1`,
			`${sha("a")}\trefs/tags/v1^{}`,
			`${sha("c")}\trefs/tags/v2`,
			`${sha("d")}\trefs/pull/1/head`,
			"warning: something else",
		].join("\n");
		expect(readListing(listing)).toEqual({
			refs: [
				{ ref: "refs/heads/main", sha: sha("a"), tag_object: null },
				{ ref: "refs/tags/v1", sha: sha("a"), tag_object: sha("b") },
				{ ref: "refs/tags/v2", sha: sha("c"), tag_object: null },
			],
			leftOut: 0,
		});
		expect(readListing("")).toEqual({ refs: [], leftOut: 0 });
	});

	test("names that are too long are left out, and more refs than are compared are rejected with a sentence", () => {
		const long = `refs/heads/${"x".repeat(MAX_REF_LENGTH)}`;
		expect(readListing(`${sha("a")}\t${long}\n${sha("b")}\t${long}^{}`)).toEqual({ refs: [], leftOut: 1 });
		const lines = Array.from({ length: MAX_REFS + 1 }, (_, index) => `${sha("a")}\trefs/heads/b${index}`);
		expect(readListing(lines.slice(1).join("\n")).refs).toHaveLength(MAX_REFS);
		expect(() => readListing(lines.join("\n"))).toThrow(
			`The repository has more than the ${MAX_REFS} branches and tags that Windlass can compare.`,
		);
	});

	test("a result with other refs, twice the same, or too many is not taken", () => {
		const main = { ref: "refs/heads/main", sha: sha("a"), tag_object: null };
		expect(listedRefs.safeParse([main]).success).toBe(true);
		for (const refs of [
			[main, main],
			[{ ...main, ref: "refs/pull/1/head" }],
			[{ ...main, ref: "refs/heads/" }],
			[{ ...main, sha: "HEAD" }],
			[{ ...main, ref: `refs/heads/${"x".repeat(MAX_REF_LENGTH)}` }],
			Array.from({ length: MAX_REFS + 1 }, (_, index) => ({ ...main, ref: `refs/heads/b${index}` })),
		])
			expect(listedRefs.safeParse(refs).success).toBe(false);
	});
});
