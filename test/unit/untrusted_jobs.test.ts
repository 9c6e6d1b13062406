import { expect, test } from "vitest";
import { isUntrusted, rejectUntrusted, withoutVolumeName } from "../../agent/execution/untrusted_jobs.ts";
import { assignment as schema } from "../../schema/wire/protocol.ts";

const container = { image: "a", workdir: null, user: null, env: {}, volumes: [], devices: [], options: {}, pull: "missing" };
const service = { name: "db", image: "b", env: {}, command: null, health: null, pull: "missing" };
const build = { context: ".", dockerfile: null, tags: ["c"], push: false, cache: [], args: {}, target: null };
const step = { name: "s", run: "true", env: {}, working_directory: null, shell: "bash", timeout_ms: null };
const parts = schema.pick({ source: true, container: true, services: true, steps: true, finally: true });

function job(more: object, isTrusted = false) {
	const source = { git: "https://git.lan/a.git", ref: null, commit: null, is_trusted: isTrusted };
	return parts.parse({ source, container, services: [service], steps: [step, { ...step, build }], ...more });
}

test.each([
	["the container", { container: { ...container, credentials: "team" } }, "credentials_unavailable", "registry credentials team"],
	[
		"a service",
		{ services: [service, { ...service, credentials: "team" }] },
		"credentials_unavailable",
		"Runs of forks cannot use this agent's credentials",
	],
	[
		"a build",
		{ steps: [step, { ...step, build: { ...build, credentials: "team" } }] },
		"credentials_unavailable",
		"registry credentials team",
	],
	[
		"a push in `finally`",
		{ finally: { steps: [{ ...step, build: { ...build, push: true } }], timeout_ms: 1 } },
		"credentials_unavailable",
		"The job pushes the image c.",
	],
	["a push", { steps: [{ ...step, build: { ...build, push: true } }] }, "credentials_unavailable", "The job pushes the image c."],
	["a device", { container: { ...container, devices: ["/dev/kvm"] } }, "device_rejected", "The job asks for the device /dev/kvm"],
])("a fork's run gets nothing of the agent's for %s", (_, more, code, text) => {
	const error = expect.objectContaining({
		outcome: { state: "errored", exitCode: null, reason: { code, text: expect.stringContaining(text) } },
	});
	expect(() => rejectUntrusted(job(more))).toThrow(error);
	expect(() => rejectUntrusted(job(more, true))).not.toThrow();
	expect(() => rejectUntrusted(job({}))).not.toThrow();
});

test("only a source from a repository can be untrusted", () => {
	expect([isUntrusted({ source: null }), isUntrusted({ source: { upload: "src_1" } })]).toEqual([false, false]);
});

test("a volume of its own has no name, and is where it is wanted", () => {
	expect([withoutVolumeName("cache:/root/.npm"), withoutVolumeName("cache:/a:ro")]).toEqual(["/root/.npm", "/a"]);
});
