import { randomUUID } from "node:crypto";

/**
 * What agents send when they do everything right. Words in braces are filled in with what the
 * target knows.
 */

const STEP = {
	name: "make",
	state: "succeeded",
	exit_code: 0,
	started_at: "2026-01-02T03:04:05.678Z",
	finished_at: "2026-01-02T03:04:06.678Z",
	log_offset: 0,
	log_line: 0,
};
const SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

export const HELLO = {
	protocol: 2,
	session: 2,
	instance: randomUUID(),
	running: [] as string[],
	facts: { version: "1", slots: 2, labels: ["linux", "gpu=a100"], facts: { os: "linux", cpus: "2" } },
};
export const POLL = { protocol: 2, session: 1, seq: 1, slots_free: 1, running: ["att_01ARZ3NDEKTSV4RRFFQ69G5FAV"], draining: false };
export const RENEWAL = { session: 1, seq: 1, running: ["att_01ARZ3NDEKTSV4RRFFQ69G5FAV"] };
export const REGISTRATION = { registration_key: "0123456789abcdef0123", name: "fuzzed-1" };
export const AGENT_TOKEN = { uses: 2, expires_in: "1h", labels: ["linux"] };
export const COMMIT = { sha: "a".repeat(40), branch: "main", tag: null, message: "one\n\ntwo", author: "A <a@example.com>" };
export const STEPS = { steps: [STEP, { ...STEP, name: "test", state: "running", exit_code: null, finished_at: null }] };
export const PLAN = {
	files: [
		{ path: "dist/a.txt", size: 3, sha256: SHA256 },
		{ path: "dist/b", size: 0, sha256: SHA256, parts: [] },
	],
};
export const SAVED_CACHES = { caches: [{ key: "npm-1", scope: "branch", variant: SHA256 }] };
export const WARM_CACHES = { count: 3, platform: "linux-x64" };
export const WANTED_CACHES = { caches: [{ ...SAVED_CACHES.caches[0], restore_keys: ["npm-", "n"] }] };
export const CACHE_MANIFEST = { content: SHA256, parts: [{ sha256: SHA256, size: 3 }], files: 1, unpacked_bytes: 3 };
export const FINISH = {
	state: "failed",
	exit_code: 2,
	reason: { code: "step_failed", text: "make exited with 2" },
	log: { bytes: 0, sha256: null, incomplete: false },
	steps: [STEP],
	artifacts: [],
};

export const TOKEN = { name: "bot", role: "viewer", projects: ["web"], expires_in: "1d" };

export const IDENTITY_PROVIDER = {
	...{ kind: "oidc", url: "http://127.0.0.1:9", client_id: "windlass", client_secret: "s", scopes: ["openid"], groups_claim: "groups" },
	...{ label: "x", sign_up: [{ domain: "example.org", role: "viewer" }] },
};
/** So large that nothing is refused for them. */
export const QUOTAS = { queued_jobs: 1e12, running_jobs: 1e12, stored_bytes: 1e15, cache_bytes: null, job_ms: 1e12, log_bytes: 1e12 };
export const TEAM = { slug: "fuzzed", name: "Fuzzed", admin: "fuzz" };
export const PERSON = { name: "ada", role: "viewer", expires_in: "1d" };
