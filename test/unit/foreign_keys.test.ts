import { describe, expect, test } from "vitest";
import { lintPipeline } from "../../schema/pipeline/parse/lint.ts";
import { FOREIGN_KEYS } from "../../schema/pipeline/validate/foreign_keys.ts";

/** The errors of a pipeline: place, path and suggestion. */
function errorsOf(text: string): [place: string, path: string, suggestion: string | null][] {
	return lintPipeline(text).errors.map(({ line, column, path, suggestion }) => [`${line}:${column}`, path, suggestion]);
}

const topLevel = (key: string, value = "x") => `${key}: ${value}\njobs: { a: { steps: [x] } }`;
const inJob = (key: string, value = "x") => `jobs:\n  a:\n    ${key}: ${value}\n    steps: [x]`;
const inStep = (key: string, value = "x") => `steps:\n  - run: x\n    ${key}: ${value}`;
const inPart = (part: string, key: string, value = "x") => `jobs:\n  a:\n    steps: [x]\n    ${part}:\n      ${key}: ${value}`;

describe("a key of another system has a suggestion at its line and column", () => {
	test.each<[string, string, string, string]>([
		// The whole file.
		["kind", topLevel("kind", "pipeline"), "1:1", "Remove it: a file is one pipeline."],
		["type", topLevel("type", "docker"), "1:1", "`container` in a job"],
		["trigger", topLevel("trigger"), "1:1", "on: { push: { branches: main }, pull_request: {} }"],
		["when", topLevel("when"), "1:1", "Write `on`"],
		["workflow", topLevel("workflow"), "1:1", "Write `on`"],
		["default", topLevel("default"), "1:1", "Write `defaults`"],
		["permissions", topLevel("permissions"), "1:1", "Jobs get no token of the forge"],
		["platform", topLevel("platform"), "1:1", "runs_on: { os: linux, arch: arm64 }"],
		["labels", topLevel("labels"), "1:1", "runs_on: [linux, docker]"],
		["clone", topLevel("clone"), "1:1", "Write `source`"],
		["depends_on", topLevel("depends_on"), "1:1", "`jobs` and `needs`"],
		["variables", topLevel("variables", "{ A: b }"), "1:1", "Write `env`"],
		["image", topLevel("image", "node:24"), "1:1", "container: node:24"],
		["before_script", topLevel("before_script", "[x]"), "1:1", "the first of the `steps`"],
		["cache", "jobs: { a: { steps: [x] } }\ncache: { key: k, paths: [.npm] }", "2:1", "Write `cache` in the job"],
		["run-name", topLevel("run-name"), "1:1", "`name` of their pipeline"],
		// A job.
		["runs-on", inJob("runs-on", "ubuntu-latest"), "3:5", "runs_on: [linux]"],
		["timeout-minutes", inJob("timeout-minutes", "30"), "3:5", "timeout: 30m"],
		["strategy", inJob("strategy", "{ matrix: { node: [22] } }"), "3:5", "matrix: { node: [22, 24], fail_fast: true }"],
		["continue-on-error", inJob("continue-on-error", "true"), "3:5", "allow_failure: true"],
		["uses", inJob("uses"), "3:5", "no reusable workflows"],
		["environment", inJob("environment", "production"), "3:5", "approval: true"],
		["script", inJob("script", "[make]"), "3:5", "steps: [make, make test]"],
		["after_script", inJob("after_script", "[make]"), "3:5", "finally: [make clean]"],
		["only", inJob("only", "[main]"), "3:5", 'if: run.branch == "main"'],
		["except", inJob("except", "[main]"), "3:5", 'if: run.branch == "main"'],
		["rules", inJob("rules", "[]"), "3:5", 'if: run.branch == "main"'],
		["when", inJob("when", "manual"), "3:5", "approval: true"],
		["tags", inJob("tags", "[docker]"), "3:5", "runs_on: [linux, docker]"],
		["parallel", inJob("parallel", "5"), "3:5", "matrix: { shard: [1, 2, 3] }"],
		["dependencies", inJob("dependencies", "[a]"), "3:5", "artifacts: { fetch: build }"],
		["interruptible", inJob("interruptible", "true"), "3:5", "cancel_in_progress: true"],
		["resource_group", inJob("resource_group"), "3:5", "concurrency: production"],
		["coverage", inJob("coverage", "'/\\d+/'"), "3:5", "reports: { coverage: { lcov: coverage/lcov.info } }"],
		["trigger", inJob("trigger", "other"), "3:5", "no child pipelines"],
		["depends_on", inJob("depends_on", "[b]"), "3:5", "needs: [build]"],
		["commands", inJob("commands", "[make]"), "3:5", "steps: [make, make test]"],
		// A step.
		["uses", inStep("uses", "actions/checkout@v4"), "3:5", "Remove this step."],
		["uses", inStep("uses", "actions/upload-artifact@v4"), "3:5", "artifacts: { save: dist/** }"],
		["uses", inStep("uses", "someone/else@v1"), "3:5", "Windlass has no actions."],
		["with", inStep("with", "{ a: b }"), "3:5", "the values into `env`"],
		["working-directory", inStep("working-directory", "web"), "3:5", "working_directory: web"],
		["continue-on-error", inStep("continue-on-error", "true"), "3:5", "continue_on_error: true"],
		["commands", inStep("commands", "[make]"), "3:5", "a line for each command"],
		["image", inStep("image", "node:24"), "3:5", "Write `container` in the job"],
		["settings", inStep("settings", "{ a: b }"), "3:5", "Windlass has no plugins."],
		["environment", inStep("environment", "{ A: b }"), "3:5", "Write `env`"],
		["secrets", inStep("secrets", "[token]"), "3:5", "Write `secrets` in the job"],
		["detach", inStep("detach", "true"), "3:5", "services: { db: postgres:17 }"],
		["failure", inStep("failure", "ignore"), "3:5", "continue_on_error: true"],
		// Events and parts of a job.
		["workflow_dispatch", topLevel("on", "{ workflow_dispatch: {} }"), "1:7", "can be started by hand"],
		["tag", topLevel("on", "{ tag: {} }"), "1:7", 'push: { tags: "v*" }'],
		["branches-ignore", topLevel("on", "{ push: { branches-ignore: [wip] } }"), "1:15", '"!wip/**"'],
		["types", topLevel("on", "{ pull_request: { types: [opened] } }"), "1:23", "events: [opened, updated]"],
		["paths", inPart("artifacts", "paths", "[dist]"), "5:7", "save: [dist/**]"],
		["reports", inPart("artifacts", "reports", "{ junit: a.xml }"), "5:7", "reports: { junit: results.xml }"],
		["max", inPart("retry", "max", "2"), "5:7", "retry: { attempts: 3 }"],
		["cancel-in-progress", inPart("concurrency", "cancel-in-progress", "true"), "5:7", "Write `cancel_in_progress`."],
		["run", topLevel("defaults", "{ run: { shell: bash } }"), "1:13", "defaults: { shell: bash"],
		["artifacts", "jobs: { a: { steps: [x] }, b: { needs: [{ job: a, artifacts: true }], steps: [x] } }", "1:51", "fetch: build"],
	])("%s in %s", (key, text, place, suggestion) => {
		const found = errorsOf(text).find(([at, path]) => at === place && path.split(".").at(-1) === key);
		expect(found?.[2]).toMatch(new RegExp(`^\`${key}\` is a key of (GitHub Actions|GitLab|Woodpecker|Drone)`));
		expect(found?.[2]).toContain(suggestion);
	});

	test("no key is in the table twice for one place", () => {
		const rows = FOREIGN_KEYS.flatMap(({ key, places }) => places.map((place) => `${place} ${key}`));
		expect(rows.filter((row, index) => rows.indexOf(row) !== index)).toEqual([]);
		expect(FOREIGN_KEYS.length).toBeGreaterThan(45);
	});
});

test.each([
	["services", inJob("services", "[postgres]"), "services: { db: postgres:17 }"],
	["secrets", inJob("secrets", "[token]"), "secrets: { TOKEN: deploy-token }"],
	["secrets", inJob("secrets", "inherit"), "secrets: { TOKEN: deploy-token }"],
	["retry", inJob("retry", "2"), "retry: { attempts: 3 }"],
	["outputs", inJob("outputs", "{ v: x }"), "$CI_OUTPUT"],
	["allow_failure", inJob("allow_failure", "{ exit_codes: 3 }"), "Write `true` or `false`."],
	["timeout", inJob("timeout", "1 hour"), "timeout: 1h30m"],
	["steps", "steps: { build: { commands: [make] } }", "steps: [make, make test]"],
	["env", inJob("env", "[A=b]"), "env: { NODE_ENV: test }"],
	["options", inPart("container", "options", "--cpus 1").replace("container:", "container:\n      image: a"), "options: { cpus: 2"],
])("%s with a value of another system: %s", (key, text, suggestion) => {
	const errors = errorsOf(text);
	expect(errors.find(([, path]) => path.split(".").includes(key))?.[2]).toContain(suggestion);
});

test("a secret of Woodpecker in the variables", () => {
	const text = inJob("env", "{ TOKEN: { from_secret: token } }");
	expect(errorsOf(text)[0]?.[2]).toContain("secrets: { TOKEN: deploy-token }");
});

describe("each error of a whole file of another system helps", () => {
	const FILES: Record<string, string> = {
		"GitHub Actions": `name: CI
on:
  push: { branches: [main], paths-ignore: ["docs/**"] }
  workflow_dispatch:
permissions: { contents: read }
concurrency: { group: ci, cancel-in-progress: true }
jobs:
  test:
    runs-on: ubuntu-latest
    timeout-minutes: 20
    strategy:
      matrix: { node: [22, 24] }
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with: { node-version: 24 }
      - run: npm test
        working-directory: web
        continue-on-error: true
`,
		GitLab: `stages: [build, test]
image: node:24
variables: { NODE_ENV: test }
include: [{ local: other.yml }]
.base:
  tags: [docker]
build:
  stage: build
  script: [npm ci]
  artifacts: { paths: [dist] }
test:
  stage: test
  script: [npm test]
`,
		Woodpecker: `when: { event: push }
labels: { platform: linux/arm64 }
steps:
  - name: test
    image: node:24
    commands: [npm ci, npm test]
    environment: { NODE_ENV: test }
    secrets: [npm_token]
    when: { branch: main }
`,
		Drone: `kind: pipeline
type: docker
trigger: { branch: [main] }
steps:
  - name: test
    image: node:24
    commands: [npm test]
    depends_on: [build]
services:
  - name: db
    image: postgres:17
`,
		"Drone of old": `pipeline:
  build:
    image: golang
    commands: [go build]
`,
	};

	test.each(Object.entries(FILES))("%s", (_, text) => {
		const errors = lintPipeline(text).errors;
		expect(errors.length).toBeGreaterThan(1);
		const unhelped = errors.filter(({ suggestion }) => suggestion === null || /^(Known keys|Did you mean)/.test(suggestion));
		// A step without `run` is the consequence of a key that has its own error.
		expect(unhelped.filter(({ message }) => message !== "A step needs `run` or `build`.")).toEqual([]);
	});
});

test("a typing error is still a typing error", () => {
	expect(errorsOf(inJob("stepz"))).toContainEqual(["3:5", "jobs.a.stepz", "Did you mean `steps`?"]);
	expect(lintPipeline(inJob("stepz")).errors[0]?.message).toBe("Unknown key `stepz` in job `a`.");
});
