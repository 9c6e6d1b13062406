import { afterAll, beforeAll, expect, test } from "vitest";
import type { Run } from "../../schema/wire/resources.ts";
import { eventually, type TestCoordinator } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** What jobs and pipelines say, on pages: it can neither do nor pretend anything there. */

const cleanups: (() => void | Promise<void>)[] = [];
let coordinator: TestCoordinator;
beforeAll(async () => {
	coordinator = await borrowCoordinator((clean) => void cleanups.push(clean));
	await coordinator.agent("talker");
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

test("the fragment of a log has the policy of a page, and one stricter: opened by itself it is nothing", async () => {
	const { id } = await coordinator.post<Run>("/api/v1/runs", { run: "echo '<script>alert(1)</script>'" });
	const run = await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
	const fragment = await coordinator.request(`/jobs/${run.jobs[0]?.id}/log/block?from=0&count=10`);
	expect([fragment.status, await fragment.text()]).toEqual([200, expect.stringContaining("&lt;script>alert(1)&lt;/script>")]);
	const policy = fragment.headers.get("Content-Security-Policy") ?? "";
	for (const rule of ["sandbox", "default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"])
		expect(policy.split("; ")).toContain(rule);
	expect(fragment.headers.get("X-Content-Type-Options")).toBe("nosniff");
	const lines = await coordinator.request(`/jobs/${run.jobs[0]?.id}/lines`);
	expect(lines.headers.get("X-Content-Type-Options")).toBe("nosniff");
	await lines.text();
});

test("names that turn the direction of text stand by themselves", async () => {
	const branch = "main\u202egpj.exe";
	const { id } = await coordinator.post<Run>("/api/v1/runs", {
		branch,
		pipeline: { name: "\u2067build", jobs: { a: { name: "test\u202e1", steps: [{ name: "step\u202e2", run: "true" }] } } },
	});
	await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
	for (const address of ["/", `/runs/${id}`]) {
		// The list may be behind for a moment.
		const pageWithRun = async () => {
			const text = await coordinator.text(address);
			return text.includes(id) && text;
		};
		const page = await eventually(pageWithRun, `the run on ${address}`);
		// Every mark stands in a <bdi>, or was replaced where there can be none.
		const outside = page.replace(/<bdi>[^<]*<\/bdi>/g, "");
		expect([address, /[\u202a-\u202e\u2066-\u2069]/.test(outside)]).toEqual([address, false]);
		expect(page).toContain("<bdi>");
	}
});
