import assert from "node:assert/strict";
import * as fc from "fast-check";
import { type ByteEdit, byteEdits, bytesOf, edited } from "../values/bytes.ts";
import { editedJson } from "../values/json.ts";
import { SUBMISSIONS } from "../values/pipelines.ts";
import * as right from "../values/protocol.ts";
import { type NetworkProperty, networkProperty } from "./network_property.ts";
import { BIG_FILE_BYTES, type Question, type Target } from "./target.ts";

/** Every address that takes JSON, with a body that is right. */

type Address = Omit<Question, "headers" | "body"> & { body: unknown };

/** A pipeline that waits until it is cancelled. */
const NOBODY_RUNS = "runs_on: [nobody]\nsteps: [x]";
const SHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const FINISH_WITH_FILES = {
	...right.FINISH,
	artifacts: [
		{ path: "dist/a.txt", size: 3, sha256: SHA256, executable: true, key: "{key}" },
		{ path: "big.bin", size: BIG_FILE_BYTES, sha256: SHA256, executable: false, key: "{big_key}" },
	],
};

const post = (target: string, as: Question["as"], body: unknown): Address => ({ method: "POST", target, as, body });

export const ADDRESSES: readonly Address[] = [
	...SUBMISSIONS.map((body) => post("/api/v1/runs", "admin", body)),
	post("/api/v1/runs/batch", "admin", SUBMISSIONS[0]),
	{ ...post("/api/v1/runs?follow=1", "admin", SUBMISSIONS[0]), mayPark: true },
	post("/api/v1/agent-tokens", "admin", right.AGENT_TOKEN),
	post("/api/v1/tokens", "admin", right.TOKEN),
	post("/api/v1/people", "admin", right.PERSON),
	post("/api/v1/people/{run}/reset", "admin", {}),
	post("/api/v1/people/{run}/sign-out", "admin", {}),
	{ ...post("/api/v1/projects/{project}/roles/{run}", "admin", { role: "viewer" }), method: "PUT" },
	{ ...post("/api/v1/quotas", "admin", right.QUOTAS), method: "PATCH" },
	post("/api/v1/teams", "admin", right.TEAM),
	{ ...post("/api/v1/teams/{project}", "admin", { name: "x" }), method: "PATCH" },
	{ ...post("/api/v1/identity-providers/{run}", "admin", right.IDENTITY_PROVIDER), method: "PUT" },
	post("/join", "anyone", { code: "x" }),
	post("/login", "session", { code: "ABCD-EFGH" }),
	post("/approve", "session", { code: "x", decision: "approve" }),
	post("/api/v1/logins", "anyone", { machine: "laptop" }),
	post("/api/v1/logins/refresh", "anyone", { refresh_token: `wlx_${"0".repeat(64)}` }),
	post("/api/v1/logins/claim", "anyone", { secret: "0".repeat(64) }),
	{ ...post("/api/v1/people/{run}", "admin", { role: "viewer" }), method: "PATCH" },
	post("/api/v1/tokens/{run}/rotate", "admin", { expires_in: "1d" }),
	post("/api/v1/agents", "registration", right.REGISTRATION),
	post("/api/v1/agents/self/hello", "agent", { ...right.HELLO, session: "{#next_session_number}" }),
	{ ...post("/api/v1/agents/self/poll", "agent", { ...right.POLL, session: "{#session_number}", seq: "{#seq}" }), mayPark: true },
	post("/api/v1/agents/self/renew", "agent", { ...right.RENEWAL, session: "{#session_number}", seq: "{#seq}" }),
	post("/api/v1/agents/self/caches", "agent", right.WARM_CACHES),
	post("/api/v1/agents/self/bye", "agent", { session: "{#session_number}" }),
	post("/api/v1/attempts/{attempt}/start", "lease", {}),
	post("/api/v1/attempts/{attempt}/release", "lease", {}),
	post("/api/v1/attempts/{attempt}/commit", "lease", right.COMMIT),
	post("/api/v1/attempts/{attempt}/steps", "lease", right.STEPS),
	post("/api/v1/attempts/{attempt}/artifacts", "lease", right.PLAN),
	post("/api/v1/attempts/{attempt}/pipeline", "lease", { jobs: { more: { needs: ["main"], matrix: { n: [1, 2] }, steps: ["true"] } } }),
	post("/api/v1/attempts/{attempt}/caches/find", "lease", right.WANTED_CACHES),
	post("/api/v1/attempts/{attempt}/caches", "lease", right.SAVED_CACHES),
	post("/api/v1/attempts/{attempt}/finish", "lease", right.FINISH),
	post("/api/v1/attempts/{attempt}/finish", "lease", FINISH_WITH_FILES),
	post("/api/v1/attempts/{attempt}/caches/{run}/check", "lease", {}),
	post("{cache_save}", "anyone", right.CACHE_MANIFEST),
	post("/projects/{project}/caches/{run}/delete", "session", {}),
	post("/api/v1/runs/{run}/cancel", "admin", {}),
	post("/api/v1/jobs/{job}/cancel", "admin", {}),
	post("/api/v1/runs/{old_run}/cancel", "admin", {}),
	post("/api/v1/runs/{old_run}/rerun", "admin", { only: "failed" }),
	post("/api/v1/runs/{run}/rerun", "admin", { job: "{job}" }),
	post("/api/v1/jobs/{job}/approve", "admin", {}),
	post("/api/v1/jobs/{job}/decline", "admin", { comment: "not today" }),
	...SUBMISSIONS.map((body) => post("/api/v1/pipelines/validate", "admin", body)),
	post("/runs/{old_run}/rerun", "session", {}),
	post("/runs/{old_run}/rerun-failed", "session", {}),
	post("/jobs/{job}/rerun", "session", {}),
	post("/jobs/{job}/approve", "session", {}),
	post("/jobs/{job}/decline", "session", {}),
	post("/new", "session", { pipeline: "steps: [x]" }),
	post("/api/v1/queue/pause", "admin", { reason: "disk" }),
	post("/api/v1/queue/resume", "admin", {}),
	post("/api/v1/retention/sweep", "admin", {}),
	{ ...post("/api/v1/secrets/{secret}", "admin", { value: "of some length", project: "web" }), method: "PUT" },
	post("/api/v1/secrets/rotate", "admin", {}),
	post("/api/v1/projects/{project}/compare", "admin", {}),
	post("/api/v1/projects/{project}/trigger", "admin", { branch: "main", file: "a.yml", params: { a: "b" } }),
	post("/api/v1/projects/{project}/schedules", "admin", { cron: "0 3 * * *", timezone: "UTC", branch: "main", params: {} }),
	{ ...post("/api/v1/schedules/{schedule}", "admin", { paused: true }), method: "PATCH" },
	post("/api/v1/pipelines", "admin", { name: "fuzzed", project: "web", yaml: NOBODY_RUNS }),
	{ ...post("/api/v1/pipelines/{kept}", "admin", { yaml: NOBODY_RUNS, version: 1 }), method: "PUT" },
	post("/api/v1/pipelines/{kept}/trigger", "admin", { priority: 3 }),
	post("/api/v1/pipelines/{kept}/versions/{version}/restore", "admin", {}),
	post("/api/v1/deliveries/{delivery}/replay", "admin", {}),
	post("/api/v1/runs/{run}/approve", "admin", {}),
	post("/api/v1/runs/{run}/decline", "admin", { comment: "no" }),
	post("/api/v1/runs/{run}/notify", "admin", {}),
	post("/hooks/{hook}", "anyone", { ref: "refs/heads/main", after: "a".repeat(40) }),
	post("/projects/{project}/compare", "session", {}),
	post("/projects/{project}/roles", "session", { person: "ada", role: "viewer" }),
	post("/projects/{project}/roles/{run}/take", "session", {}),
	post("/projects/{project}/trigger", "session", {}),
	post("/runs/{run}/approve", "session", {}),
	post("/runs/{run}/decline", "session", {}),
	post("/deliveries/{delivery}/replay", "session", {}),
	post("/schedules/{schedule}/pause", "session", {}),
	post("/schedules/{schedule}/resume", "session", {}),
	post("/pipelines/{kept}/trigger", "session", {}),
	post("/pipelines/{kept}/restore", "session", { version: "1" }),
	post("/runs/{run}/notify", "session", {}),
	post("/api/v1/host/disk", "admin", { fault: "full" }),
	post("/api/v1/host/facts", "admin", { disk: null, certificate_expires_at: null, backups: null }),
	post("/api/v1/host/planned-stop", "admin", {}),
	post("/api/v1/host/prepare", "admin", {}),
	post("/runs/{run}/cancel", "session", {}),
	post("/jobs/{job}/cancel", "session", {}),
	post("/runs/{run}/delete", "session", {}),
	post("/queue/pause", "session", {}),
	post("/jobs/{job}/front", "session", {}),
	post("/queue/resume", "session", {}),
	post("/api/v1/projects", "admin", { name: "fuzzed", repository: "https://git.test/a.git", default_branch: "main", credentials: "a" }),
	{ ...post("/api/v1/projects/{project}", "admin", { default_branch: "trunk", credentials: null }), method: "PATCH" },
	post("/projects", "session", { name: "fuzzed" }),
	post("/projects/{project}", "session", { default_branch: "trunk" }),
	post("/projects/{project}/delete", "session", {}),
	post("/sign-in", "anyone", { token: "x" }),
	post("/sessions/{run}/end", "session", {}),
	...["disable", "enable", "drain", "rotate", "restrict", "remove"].map((what) => post(`/agents/{run}/${what}`, "session", {})),
	post("/agents", "session", { uses: "1" }),
	post("/agent-tokens/{run}/revoke", "session", {}),
	post("/api/v1/agents/self/rotate", "agent", { rotation_key: "0123456789abcdef0123456789abcdef" }),
	post("/api/v1/agents/{run}/disable", "admin", { running: "finish" }),
	post("/api/v1/agents/{run}/enable", "admin", {}),
	post("/api/v1/agents/{run}/drain", "admin", {}),
	post("/api/v1/agents/{run}/rotate", "admin", {}),
	{ ...post("/api/v1/agents/{run}", "admin", { projects: ["web"], runs: "trusted" }), method: "PATCH" },
	post("/sign-out", "session", {}),
];

/** What agents have said is shown to people: whatever was taken can be read, everywhere. */
async function assertReadable(target: Target): Promise<void> {
	await target.signIn();
	const [run, job] = [target.word("run"), target.word("job")];
	const asAdmin = [
		`/api/v1/runs/${run}`,
		`/api/v1/jobs/${job}`,
		`/api/v1/runs/${run}/events`,
		`/api/v1/jobs/${job}/artifacts`,
		"/api/v1/agents",
	];
	const asPerson = [`/runs/${run}`, `/jobs/${job}`, "/agents"];
	for (const address of [...asAdmin, ...asPerson]) {
		const as = asPerson.includes(address) ? "session" : "admin";
		const answer = await target.ask({ method: "GET", target: address, as, headers: [], body: null });
		assert.equal(answer?.status, 200, address);
	}
}

/** Either the value is wrong or, now and then, the text. */
const body = (valid: unknown): fc.Arbitrary<{ value: unknown; edits: ByteEdit[] }> =>
	fc.record({
		value: editedJson(valid),
		edits: fc.oneof({ weight: 5, arbitrary: fc.constant<ByteEdit[]>([]) }, { weight: 1, arbitrary: byteEdits(2, 1) }),
	});

const question = fc
	.constantFrom(...ADDRESSES)
	.chain((address) => body(address.body).map(({ value, edits }) => ({ ...address, value, edits })));

const contentTypes = fc.constantFrom(
	"application/json",
	"application/json",
	"text/plain",
	"application/x-www-form-urlencoded",
	"multipart/form-data",
	"",
);

export const jsonProperties: NetworkProperty[] = [
	networkProperty(
		"a body in JSON is taken or refused",
		{ weight: 12 },
		fc.tuple(question, contentTypes),
		async (target, [asked, contentType]) => {
			const { value, edits, ...address } = asked;
			const text = JSON.stringify(value) ?? "";
			const answer = await target.ask({ ...address, headers: [["Content-Type", contentType]], body: edited(bytesOf(text), edits) });
			if (answer && answer.status < 300 && /\/(attempts|self)\//.test(address.target)) await assertReadable(target);
		},
	),
];
