import * as fc from "fast-check";
import { byteEdits, bytesOf, edited } from "./bytes.ts";
import { editedJson, hostileJson } from "./json.ts";
import { hostileText } from "./texts.ts";

/** Texts that are almost pipelines. */

const PIPELINES = [
	`name: web
source: { git: "https://github.com/example/web.git", ref: main }
defaults: { runs_on: [linux], timeout: 20m, shell: sh, working_directory: app }
env: { LEVEL: debug }
jobs:
  lint: { steps: [npm ci, npm run lint] }
  test:
    retry: { attempts: 2, on: [lost, errored] }
    steps: [npm ci, { name: unit, run: npm test, timeout: 5m, env: { A: "1" }, shell: python3, working_directory: b/c }]
    artifacts: { save: ["coverage/**", "!coverage/tmp"] }
  build:
    needs: [lint, test]
    runs_on: gpu=a100
    steps:
      - run: |
          npm ci
          npm run build
`,
	`name: whole
params: { target: { type: choice, options: [staging, production], default: staging }, n: { type: integer, default: 3, description: how many } }
fail_fast: true
timeout: 2h
concurrency: { group: "ci-\${{ run.branch }}", cancel_in_progress: true }
jobs:
  test:
    matrix: { node: ["22", "24"], exclude: [{ node: "22" }], include: [{ node: "26", extra: x }], fail_fast: true }
    container: { image: "node:\${{ matrix.node }}", user: node, env: { A: b }, volumes: ["cache:/c"], options: { memory: 1g } }
    services: { db: { image: "postgres:17", health: { command: pg_isready, interval: 1s, retries: 9 } } }
    runs_on: { labels: [linux], memory: 1GiB, tools: { node: ">=22" } }
    idle_timeout: 5m
    outputs: [version]
    reports: { junit: "r/*.xml", coverage: { lcov: l.info } }
    artifacts: { save: [dist] }
    steps: [npm test, { build: { context: ., tags: ["r.lan/app:\${{ params.target }}"], push: true } }]
  deploy:
    needs: [{ job: test, matrix: { node: "24" } }]
    if: run.branch == "main" && success() && changed("src/**")
    approval: { roles: [admin], timeout: 1d, message: Ship? }
    concurrency: deploy
    allow_failure: true
    retry: { attempts: 2, exit_codes: [75] }
    env: { V: "v\${{ needs.test.outputs.version }}" }
    artifacts: { fetch: [{ job: test, matrix: { node: "24" }, into: in }] }
    steps: [./deploy.sh]
`,
	"steps: [uname, date]\nname: two steps\npriority: 5\n",
	`base: &base
  steps: &steps
    - make
jobs:
  a: { steps: *steps }
  b:
    needs: a
    <<: *base
`,
];

/** Submissions that are right. */
export const SUBMISSIONS: unknown[] = [
	{ run: "make test", env: { LEVEL: "debug" }, runs_on: ["linux"], priority: 5, project: "web" },
	{ pipeline: { name: "x", steps: ["make", { run: "b", name: "c", timeout: "5m" }] }, source: { git: "https://h/x.git", ref: "main" } },
	{ pipeline: "jobs:\n  a: {steps: [x]}\n  b: {needs: a, steps: [y]}\n", env: {} },
	{ jobs: { a: { steps: ["x"], retry: { attempts: 2, on: ["failed"] } }, b: { needs: ["a"], steps: ["y"], artifacts: { save: ["o"] } } } },
	{
		pipeline:
			"params: {p: {default: a}}\njobs:\n  a: {matrix: {n: [1, 2]}, outputs: [o], steps: [x]}\n  b: {needs: a, if: always(), approval: true, steps: [x]}\n",
		params: { p: "b" },
		branch: "main",
		changed: ["a/b"],
		container: "node:24",
	},
	{ run: "x", source: { upload: "src_01ARZ3NDEKTSV4RRFFQ69G5FAV" } },
];

const KEYS = [
	"name",
	"jobs",
	"steps",
	"run",
	"env",
	"needs",
	"source",
	"git",
	"timeout",
	"retry",
	"on",
	"defaults",
	"matrix",
	"include",
	"if",
	"params",
	"container",
	"concurrency",
	"approval",
	"pipeline",
	"<<",
	"? a",
];
const SCALARS = [
	"1.10",
	"${{ params.x }}",
	"${{ needs.a.result",
	"always() && ((1",
	"0x1f",
	"yes",
	"on",
	"~",
	"null",
	"!!binary aGk=",
	"!!set {a}",
	"!!float 1",
	"!foo bar",
	"2001-01-01",
	"-.inf",
	".nan",
];

/** YAML of all kinds, made of what the language is made of. */
const anyYaml: fc.Arbitrary<string> = fc.letrec<{ node: string }>((tie) => ({
	node: fc.oneof(
		{ maxDepth: 5 },
		fc.oneof(
			fc.constantFrom(...SCALARS),
			fc.constantFrom("*a", "*b", "&a 1", "&b", "|-\n  x", ">+\n  y\n", "''", '"\\x41\\u0000"'),
			hostileText,
		),
		fc
			.tuple(
				fc.constantFrom("", "&a ", "&b ", "!!omap ", "!!map "),
				fc.array(fc.tuple(yamlKey(tie("node")), tie("node")), { maxLength: 4 }),
			)
			.map(([before, pairs]) => `${before}{${pairs.map(([key, value]) => `${key}: ${value}`).join(", ")}}`),
		fc
			.tuple(fc.constantFrom("", "&a ", "&b ", "!!seq "), fc.array(tie("node"), { maxLength: 4 }))
			.map(([before, items]) => `${before}[${items.join(", ")}]`),
		fc.array(tie("node"), { maxLength: 4 }).map((items) => items.map((item) => `\n- ${item.replaceAll("\n", "\n  ")}`).join("")),
		fc
			.array(fc.tuple(yamlKey(tie("node")), tie("node")), { maxLength: 4 })
			.map((pairs) => pairs.map(([key, value]) => `\n${key}: ${value.replaceAll("\n", "\n  ")}`).join("")),
		fc.tuple(tie("node"), tie("node")).map(([key, value]) => `\n? ${key}\n: ${value}`),
	),
})).node;

function yamlKey(node: fc.Arbitrary<string>): fc.Arbitrary<string> {
	return fc.oneof(
		{ weight: 6, arbitrary: fc.constantFrom(...KEYS) },
		{ weight: 1, arbitrary: hostileText },
		{ weight: 1, arbitrary: node },
	);
}

const editedYaml = fc
	.tuple(fc.constantFrom(...PIPELINES), byteEdits(4))
	.map(([text, edits]) => new TextDecoder().decode(edited(bytesOf(text), edits)));

/** Whole lines of a right text, moved about. */
const shuffledYaml = fc
	.constantFrom(...PIPELINES)
	.chain((text) => fc.shuffledSubarray(text.split("\n")))
	.map((lines) => lines.join("\n"));

const editedSubmission = fc
	.constantFrom(...SUBMISSIONS)
	.chain(editedJson)
	.map((value) => JSON.stringify(value) ?? "");

const frames = fc.constantFrom("", "%YAML 1.1\n---\n", "---\n", "--- # x\n", "\ufeff", "%TAG ! tag:x,2000:\n---\n", "...\n", "a: 1\n---\n");

/** The text of a submission, as anybody may send it. */
export const submissionText: fc.Arbitrary<string> = fc.oneof(
	{ weight: 4, arbitrary: editedYaml },
	{ weight: 4, arbitrary: editedSubmission },
	{ weight: 2, arbitrary: shuffledYaml },
	{ weight: 4, arbitrary: fc.tuple(frames, anyYaml).map(([frame, text]) => frame + text) },
	{ weight: 1, arbitrary: hostileText },
);

/** Pieces of text that make a long text of one kind when they are written over and over again; `#` is the number of the piece. */
const UNITS = [
	"k#: 1\n",
	"CI_#: x\n",
	"  k#: {steps: [x]}\n",
	"  k#: {needs: [k#], steps: [x]}\n",
	"  k#: 1\n",
	"  - {run: a, nmae: #}\n",
	"- ",
	"? ",
	"[",
	"{a: ",
	"{",
	"}",
	"&a# ",
	"k#: &a# 1\n",
	"*a, ",
	"[*a,*a,*a],",
	":",
	"a: b: c\n",
	"\t- @\n",
	"\\x",
	"'",
	"#\n",
	"  # comment\n",
	"\r",
	"a ",
	"!!set ",
	"- |\n  x\n",
	'"k#": "v",',
	"🂡",
];

const OPENINGS = [
	"",
	"jobs:\n",
	"steps:\n",
	'run: "',
	'{"run": "x", "env": {',
	"env:\n  ",
	"a: &a [x, x, x, x]\nb: [",
	"{source: {git: 'https://",
	"run: |\n  ",
];

/** A long text that says one thing many times; at most `bytes` long. */
export function longText(bytes: number): fc.Arbitrary<{ opening: string; unit: string; times: number }> {
	return fc
		.record({ opening: fc.constantFrom(...OPENINGS), unit: fc.constantFrom(...UNITS), size: fc.integer({ min: 1_000, max: bytes }) })
		.map(({ opening, unit, size }) => ({ opening, unit, times: Math.ceil(size / (unit.length + 3)) }));
}

export function writtenOut({ opening, unit, times }: { opening: string; unit: string; times: number }): string {
	return opening + Array.from({ length: times }, (_, index) => unit.replaceAll("#", String(index))).join("");
}

/** The parts of a form, with the right names and others. */
export const formParts: fc.Arbitrary<Map<string, string>> = fc
	.array(
		fc.tuple(
			fc.oneof(
				{ weight: 5, arbitrary: fc.constantFrom("pipeline", "run", "env", "source", "runs_on", "priority", "project") },
				{ weight: 1, arbitrary: hostileText },
			),
			fc.oneof(
				submissionText,
				hostileText,
				hostileJson.map((value) => JSON.stringify(value) ?? ""),
				fc.constantFrom("{A: b}", "[linux]", "5", "web"),
			),
		),
		{ maxLength: 6 },
	)
	.map((parts) => new Map(parts));
