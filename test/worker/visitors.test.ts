import { exports } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import type { Page, Run, SubmittedRun } from "../../schema/wire/resources.ts";
import type { CreatedToken } from "../../schema/wire/tokens.ts";
import { routes } from "../../worker/routes.ts";
import { ADMIN, withAdmin } from "./admin.ts";

/** What who has not signed in sees of a public project, and of nothing else. */

interface Asked {
	token?: string | null;
	body?: object;
	accept?: string;
}

async function ask(method: string, path: string, { token = null, body, accept = "application/json" }: Asked = {}) {
	const init = {
		method,
		headers: { ...(token !== null && { Authorization: `Bearer ${token}` }), "Content-Type": "application/json", Accept: accept },
		redirect: "manual",
		cf: { clientIp: "198.51.100.31" },
		...(body && { body: JSON.stringify(body) }),
	} as RequestInit;
	return exports.default.fetch(new Request(new URL(path, "http://windlass.test"), init));
}

const json = async <Body>(method: string, path: string, body?: object) =>
	(await (await ask(method, path, { token: ADMIN, ...(body && { body }) })).json()) as Body;

let open: Run;
let closed: Run;

withAdmin();
beforeAll(async () => {
	const run = async (project: string) => {
		const { id } = await json<SubmittedRun>("POST", "/api/v1/runs", { project, pipeline: { name: "p", steps: ["true"] } });
		return json<Run>("GET", `/api/v1/runs/${id}`);
	};
	await json("POST", "/api/v1/projects", {
		name: "open",
		public: true,
		repository: "https://git.test/open.git",
		hook_secret: "of-the-hook",
	});
	await json("POST", "/api/v1/projects", { name: "closed" });
	[open, closed] = [await run("open"), await run("closed")];
});

/** An address of a route that is about a run, a job or a project. */
function about(path: string, run: Run): string {
	const [job] = run.jobs;
	const filled = path
		.replace("/runs/:id", `/runs/${run.id}`)
		.replace("/jobs/:id", `/jobs/${job?.id}`)
		.replace("/projects/:name", `/projects/${run.project}`);
	return filled.replace(/:path\+/, "a/b").replace(/:\w+/g, "x");
}

describe("a visitor", () => {
	test("reads the runs, jobs, logs and artifacts of a public project, on pages, too", async () => {
		const [job] = open.jobs;
		const addresses = [
			`/api/v1/runs/${open.id}`,
			`/api/v1/jobs/${job?.id}`,
			`/api/v1/jobs/${job?.id}/artifacts`,
			"/api/v1/runs?project=open",
		];
		for (const address of addresses) expect([address, (await ask("GET", address)).status]).toEqual([address, 200]);
		for (const address of ["/projects/open", `/runs/${open.id}`, `/jobs/${job?.id}`]) {
			const page = await ask("GET", address, { accept: "text/html" });
			const text = await page.text();
			expect([address, page.status]).toEqual([address, 200]);
			// Neither forms, nor what the team does besides.
			expect([address, /<form[^>]*method="post"/.test(text), text.includes('href="/queue"'), text.includes('href="/agents"')]).toEqual([
				...[address, false, false, false],
			]);
			expect(text).toContain("Sign in");
		}
	});

	test("sees nothing of how the project is set up", async () => {
		for (const tab of ["settings", "secrets", "deliveries", "schedules", "caches", "pipelines"]) {
			const text = await (await ask("GET", `/projects/open?tab=${tab}`, { accept: "text/html" })).text();
			expect([tab, text.includes("of-the-hook"), text.includes(`tab=${tab}`)]).toEqual([tab, false, false]);
		}
		for (const address of ["/api/v1/projects/open", "/api/v1/projects/open/deliveries", "/api/v1/projects/open/caches", "/api/v1/projects"])
			expect([address, (await ask("GET", address)).status]).toEqual([address, 401]);
	});

	test("gets the same answer for what is not public as for what does not exist, on every route", async () => {
		const gone: Run = { ...closed, id: "run_01J00000000000000000000000", project: "nowhere", jobs: [] };
		const guarded = routes.filter(({ allow }) => allow.includes("user") && !allow.includes("anyone"));
		expect(guarded.filter(({ visitors }) => visitors).length).toBeGreaterThan(15);
		for (const { method, path } of guarded) {
			const answerTo = async (run: Run) => {
				const answer = await ask(method, about(path, run));
				return [answer.status, ((await answer.json()) as { error: string }).error];
			};
			expect([method, path, await answerTo(closed)]).toEqual([method, path, [401, "authentication_required"]]);
			expect([method, path, await answerTo(gone)]).toEqual([method, path, [401, "authentication_required"]]);
		}
	});

	test("changes nothing of a public project", async () => {
		const writes = routes.filter(({ method, allow }) => method !== "GET" && allow.includes("user") && !allow.includes("anyone"));
		for (const { method, path, visitors } of writes) {
			expect([method, path, visitors]).toEqual([method, path, undefined]);
			const body = method === "DELETE" ? {} : { body: {} };
			expect([method, path, (await ask(method, about(path, open), body)).status]).toEqual([method, path, 401]);
		}
	});

	test("compares no run with one of another project", async () => {
		const text = await (await ask("GET", `/runs/${open.id}?tab=compare&with=${closed.id}`, { accept: "text/html" })).text();
		expect(text).not.toContain(closed.id);
		expect(text).not.toContain("/projects/closed");
	});

	test("is shut out once the project is not public any more; a maintainer cannot make it public", async () => {
		await json("POST", "/api/v1/projects", { name: "for-a-while", public: true });
		expect((await ask("GET", "/api/v1/runs?project=for-a-while")).status).toBe(200);
		const changed = await ask("PATCH", "/api/v1/projects/for-a-while", { token: ADMIN, body: { public: false } });
		expect(changed.status).toBe(200);
		await expect.poll(async () => (await ask("GET", "/api/v1/runs?project=for-a-while")).status, { timeout: 5_000 }).toBe(401);
		const { token } = await json<CreatedToken>("POST", "/api/v1/tokens", { name: "no-opener", role: "maintainer", expires_in: "1d" });
		for (const body of [{ public: true }, { fork_approvers: ["no-opener"] }, { trusted_authors: ["no-opener"] }]) {
			const refused = await ask("PATCH", "/api/v1/projects/for-a-while", { token, body });
			expect([body, refused.status, ((await refused.json()) as { message: string }).message]).toEqual([
				body,
				403,
				expect.stringContaining("may not change"),
			]);
		}
		expect((await ask("PATCH", "/api/v1/projects/for-a-while", { token, body: { public: false, default_branch: "trunk" } })).status).toBe(
			200,
		);
	});

	test("with a wrong token is no visitor", async () => {
		expect((await ask("GET", `/api/v1/runs/${open.id}`, { token: "x".repeat(40) })).status).toBe(401);
		const seen = async () => ((await (await ask("GET", "/api/v1/runs", { token: ADMIN })).json()) as Page<Run>).items.length;
		await expect.poll(seen, { timeout: 5_000 }).toBeGreaterThan(0);
	});
});
