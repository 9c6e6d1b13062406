import { describe, expect, test } from "vitest";
import { parseSubmission } from "../../schema/pipeline/parse/submission.ts";
import type { ResolvedJob } from "../../schema/pipeline/resolve/resolved.ts";
import { settleJob } from "../../schema/pipeline/runtime/settle.ts";
import type { FieldError } from "../../schema/wire/errors.ts";

/** The `cache` of the pipeline language. */

function cachesOf(yaml: string): ResolvedJob["caches"] {
	return jobOf(yaml).caches;
}

function jobOf(yaml: string): ResolvedJob {
	return parse(yaml).pipeline.jobs[0] as ResolvedJob;
}

function parse(yaml: string) {
	return parseSubmission(yaml);
}

function errorsOf(yaml: string): [number | null, number | null, string, string | null][] {
	try {
		parse(yaml);
	} catch (error) {
		const { errors } = (error as { details: { errors: FieldError[] } }).details;
		return errors.map(({ line, column, message, suggestion }) => [line, column, message, suggestion]);
	}
	return [];
}

describe("cache", () => {
	test("has defaults, a shorthand for one, and comes from defaults", () => {
		const whole = { key: "k", paths: ["a"], restore_keys: [], when: "success", compression: "fast", scope: "branch" };
		expect(cachesOf("steps: [x]\ncache: { key: k, paths: a }")).toEqual([whole]);
		expect(cachesOf("steps: [x]\ncache:\n  - { key: k, paths: [a] }")).toEqual([whole]);
		expect(cachesOf("jobs: { a: { steps: [x] } }\ndefaults: { cache: { key: k, paths: a } }")).toEqual([whole]);
		expect(cachesOf("steps: [x]")).toEqual([]);
		const other = "{ key: k, paths: ['**/node_modules'], restore_keys: [k-, ''], when: always, compression: none, scope: project }";
		expect(cachesOf(`steps: [x]\ncache: ${other.replace(", ''", "")}`)).toEqual([
			{ key: "k", paths: ["**/node_modules"], restore_keys: ["k-"], when: "always", compression: "none", scope: "project" },
		]);
	});

	test("holds nothing that another cache of the job holds", () => {
		const of = (first: string, second: string) =>
			errorsOf(`steps: [x]\ncache:\n  - { key: a, paths: [${first}] }\n  - { key: b, paths: [${second}] }`);
		const advice = "Put both into one cache, or name folders that are beside each other.";
		expect(of("x, deps/", "./deps")).toEqual([[4, 23, "Two caches hold ./deps.", advice]]);
		const inside = "Two caches cannot hold both deps and deps/a: one is inside the other.";
		expect(of("deps", "z, deps/a")).toEqual([[4, 26, inside, advice]]);
		expect(of("deps/a", "deps")[0]?.[2]).toContain("both deps/a and deps:");
		expect(of("deps", "deps2, '*/deps'")).toEqual([]);
	});

	test("takes keys with slashes, blanks and any letters, and the values of a matrix", () => {
		expect(cachesOf("steps: [x]\ncache: { key: 'a/b c/ü-日本', paths: a }")[0]?.key).toBe("a/b c/ü-日本");
		const [job] = parse("steps: [x]\nmatrix: { v: [1] }\ncache: { key: 'k-${{ matrix.v }}', paths: a }").pipeline.jobs;
		expect(job?.caches[0]?.key).toBe("k-1");
	});

	test("leaves a key that follows files to the agent, with the values that it needs", () => {
		const job = jobOf(
			"steps: [x]\nparams: { v: { default: '1' } }\ncache: { key: \"k-${{ params.v }}-${{ hash('a', 'b') }}\", paths: a }".replace(
				"'a', 'b'",
				"['a', 'b']",
			),
		);
		const template = "k-${{ params.v }}-${{ hash(['a', 'b']) }}";
		expect(job.caches[0]?.key).toEqual({ template });
		const settled = settleJob(job, { run: {}, params: { v: "1" }, doubles: [], matrix: {}, changed: {}, needs: {}, status: {} } as never);
		expect([settled.caches[0]?.key, settled.values?.params]).toEqual([{ template }, { v: "1" }]);
	});

	test.each([
		[
			"a path in the home",
			"{ key: k, paths: ~/.npm }",
			[2, 25, expect.stringContaining("`~` is outside"), expect.stringContaining("npm_config_cache")],
		],
		[
			"an absolute path",
			"{ key: k, paths: /root/.npm }",
			[2, 25, expect.stringContaining("inside the workspace"), expect.stringContaining("npm_config_cache")],
		],
		["a path that leaves", "{ key: k, paths: ../x }", [2, 25, expect.stringContaining("without `..`"), expect.any(String)]],
		["the whole workspace", "{ key: k, paths: . }", [2, 25, "A cache cannot hold the whole workspace.", expect.any(String)]],
		["an exclusion", "{ key: k, paths: [a, '!a/b'] }", [2, 29, expect.stringContaining("nothing is excluded"), expect.any(String)]],
		["an empty key", "{ key: '', paths: a }", [2, 15, "The text may not be empty.", null]],
		["a key of 10 kB", `{ key: ${"k".repeat(10_000)}, paths: a }`, [2, 15, expect.stringContaining("at most 512 are allowed"), null]],
		["a key with a line break", '{ key: "a\\nb", paths: a }', [2, 15, expect.stringContaining("line break"), null]],
		["no key", "{ paths: a }", [2, 8, expect.stringContaining("required"), null]],
		["no paths", "{ key: k }", [2, 8, "Required key `paths` is missing in `cache.0`.", null]],
		["an unknown word", "{ key: k, paths: a, when: never }", [2, 34, 'Unknown value: text "never".', expect.stringContaining("success")]],
		[
			"a misspelt key",
			"{ key: k, paths: a, restore-keys: k }",
			[2, 28, expect.stringContaining("restore-keys"), expect.stringContaining("restore_keys")],
		],
		["an unclosed expression", "{ key: 'k-${{ hash(', paths: a }", [2, expect.any(Number), "${{ is not closed.", expect.any(String)]],
		[
			"a computed pattern",
			"{ key: 'k-${{ hash(run.branch) }}', paths: a }",
			[2, expect.any(Number), expect.stringContaining("patterns in quotes"), expect.any(String)],
		],
		[
			"files outside",
			"{ key: 'k-${{ hash(\"../x\") }}', paths: a }",
			[2, expect.any(Number), expect.stringContaining("inside the workspace"), expect.any(String)],
		],
		[
			"steps in a key",
			"{ key: 'k-${{ steps.a.outputs.x }}', paths: a }",
			[2, expect.any(Number), expect.stringContaining("`steps` can be used only in a step"), expect.any(String)],
		],
	])("rejects %s at its place", (_, cache, expected) => {
		expect(errorsOf(`steps: [x]\ncache: ${cache}`)).toEqual([expected]);
	});

	test.each([
		["an if", 'steps: [{ run: x, if: \'hash("a") == ""\' }]'],
		["env", "steps: [x]\njobs: {}", "jobs: { a: { env: { A: '${{ hash(\"a\") }}' }, steps: [x] } }"],
		["the env of a step", "steps: [{ run: x, env: { A: '${{ hash(\"a\") }}' } }]"],
	])("rejects hash() in %s", (_, ...texts) => {
		expect(errorsOf(texts.at(-1) as string).map(([, , message]) => message)).toEqual([
			expect.stringContaining("only in the keys of `cache`"),
		]);
	});

	test("has at most twenty, of at most fifty paths", () => {
		const many = (count: number) =>
			`steps: [x]\ncache: [${Array.from({ length: count }, (_, n) => `{ key: k${n}, paths: a${n} }`).join(", ")}]`;
		expect([errorsOf(many(20)), errorsOf(many(21))]).toEqual([[], [[2, 8, "A job has at most 20 caches.", null]]]);
		const paths = Array.from({ length: 51 }, (_, n) => `p${n}`).join(", ");
		expect(errorsOf(`steps: [x]\ncache: { key: k, paths: [${paths}] }`)).toEqual([
			[2, expect.any(Number), expect.stringContaining("at most 50"), null],
		]);
	});
});
