import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Undelivered } from "../../schema/wire/notifications.ts";
import type { Project } from "../../schema/wire/projects.ts";
import type { Page, Run } from "../../schema/wire/resources.ts";
import { RecordingServer } from "../support/forge.ts";
import { GitHttp } from "../support/git_http.ts";
import { eventually, TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

const atEnd = (clean: () => void | Promise<void>) => onTestFinished(clean);

/** A project whose forge records what it is told. */
async function set(coordinator: TestCoordinator): Promise<RecordingServer> {
	const forge = await RecordingServer.start(atEnd);
	const git = await GitHttp.start(path.join(temporaryFolder(), "git"), null, atEnd);
	const repository = git.add("web.git", { a: "1" });
	await coordinator.request("/api/v1/secrets/token", { method: "PUT", body: JSON.stringify({ value: "token-of-the-forge" }) });
	await coordinator.post("/api/v1/projects", {
		name: "web",
		repository,
		forge: "gitea",
		forge_api: `${forge.url}/api/v1`,
		forge_token: "token",
	});
	return forge;
}

describe("a forge", () => {
	test("that fails, stalls and comes back while the coordinator is killed gets every status, in order", async () => {
		const first = await TestCoordinator.start({ args: ["--allow-outbound", "127.0.0.1"] });
		const forge = await set(first);
		await first.agent("builder");
		// It fails, then it says nothing at all.
		let isOver = false;
		forge.respond = (_, response) => {
			if (forge.turnedAway.length < 2) response.writeHead(500).end("no");
			else response.once("close", () => (isOver = true));
			return true;
		};
		const submit = (at: TestCoordinator, pipeline: object) => at.post<Run>("/api/v1/runs", { pipeline: { ...pipeline }, project: "web" });
		const red = await submit(first, { name: "red", jobs: { unit: { steps: ["exit 1"] } } });
		const green = await submit(first, { name: "green", steps: ["true"] });
		const ended = await Promise.all([red, green].map(({ id }) => first.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`)));
		expect(ended.map(({ state }) => state)).toEqual(["failed", "succeeded"]);
		const sha = ended[0]?.commit?.sha ?? "";
		await forge.until((_, turnedAway) => turnedAway.length >= 3, "two that failed and one that is left waiting");
		// Whoever else is to be told does not wait for it.
		const other = await RecordingServer.start(atEnd);
		const { repository } = await first.get<Project>("/api/v1/projects/web");
		const settings = { repository, forge: "gitea", forge_api: other.url, forge_token: "token" };
		await first.post("/api/v1/projects", { name: "other", ...settings });
		// A command that somebody tries out says nothing of the commit.
		const { id } = await first.post<Run>("/api/v1/runs", { run: "true", project: "other" });
		await first.get(`/api/v1/runs/${id}/wait?timeout=60`);
		await first.post<Run>("/api/v1/runs", { pipeline: { steps: ["true"] }, project: "other" });
		await other.until((told) => told.at(-1)?.body.state === "success", "the other forge's green tick");
		expect([isOver, new Set(other.told.map(({ body }) => body.context))]).toEqual([false, new Set(["windlass/pipeline"])]);
		// Without --public-url links lead to where the coordinator listens, as it says at the start.
		expect(other.told.every(({ body }) => String(body.target_url).startsWith(`${first.url}/runs/run_`))).toBe(true);
		expect(first.program.output).toMatch(/links +Commit statuses link to http:\/\/127\.0\.0\.1:\d+\.\n +Set --public-url/);
		await forge.until((_, turnedAway) => turnedAway.length >= 4, "another that is left waiting");
		await first.program.kill();
		expect(forge.told).toEqual([]);
		forge.respond = () => false;
		const second = await TestCoordinator.start({ data: first.data, port: first.port, args: ["--allow-outbound", "127.0.0.1"] });
		await forge.until(() => ["failure", "success"].every((end) => Object.values(forge.statuses(sha)).flat().includes(end)), "both ends");
		const statuses = forge.statuses(sha);
		// What was being told when the coordinator died may be told twice; nothing is out of order.
		for (const [name, last] of [
			["windlass/red", "failure"],
			["windlass/green", "success"],
		] as const) {
			const states = statuses[name] ?? [];
			expect([name, states.at(-1), states.slice(0, -1).every((state) => state === "pending")]).toEqual([name, last, true]);
		}
		// The forge knows of the last one a moment before its answer is noted.
		await eventually(
			async () => (await second.get<Page<Undelivered>>("/api/v1/projects/web/undelivered")).items.length === 0,
			"all is told",
		);
		expect((await second.get<{ status: string }>("/readyz")).status).toBe("ready");
	}, 120_000);

	test("that knows a repository by another name gets the statuses of ended runs once the project's setting is corrected", async () => {
		const coordinator = await borrowCoordinator();
		const forge = await set(coordinator);
		await coordinator.agent("builder");
		const notices = async () =>
			(await coordinator.get<Project>("/api/v1/projects/web")).notices.filter((text) => !text.startsWith("Its hook is closed"));
		const change = (settings: Partial<Project>) =>
			coordinator.request("/api/v1/projects/web", { method: "PATCH", body: JSON.stringify(settings) });
		const release = path.join(temporaryFolder(), "release");
		const pipeline = { steps: [`until test -e ${release}; do sleep 0.1; done`] };
		const { id } = await coordinator.post<Run>("/api/v1/runs", { pipeline, project: "web" });
		await forge.until((told) => told.length >= 1, "that it runs");
		// As GitLab answers; GitHub and Gitea redirect.
		forge.respond = ({ path: where }, response) => {
			if (where.includes("/renamed/")) return false;
			response.writeHead(405).end('{"message":"Non GET methods are not allowed for moved projects"}');
			return true;
		};
		writeFileSync(release, "");
		const { commit } = await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
		await eventually(async () => (await notices()).length === 1, "the notice");
		expect(await notices()).toEqual([
			expect.stringMatching(
				/^The forge rejects commit statuses for the repository \S*web .* answers 405: .*correct the setting repository.*: windlass projects edit web --repository </,
			),
		]);
		const { repository } = await coordinator.get<Project>("/api/v1/projects/web");
		await change({ repository: (repository as string).replace(/web\.git$/, "renamed/web.git") });
		await forge.until((told) => told.at(-1)?.body.state === "success", "what ended meanwhile");
		expect(forge.told.at(-1)?.path).toMatch(new RegExp(`/renamed/web/statuses/${commit?.sha}$`));
		await eventually(async () => (await notices()).length === 0, "the notice is gone");
	});

	test("that says no is not asked again; one that may not be asked is not; no run fails for it", async () => {
		const coordinator = await TestCoordinator.start({ args: ["--allow-outbound", "external,127.0.0.1"] });
		const forge = await set(coordinator);
		await coordinator.agent("builder");
		forge.respond = ({ headers }, response) => {
			response.writeHead(401).end(`bad token: ${headers.authorization}`);
			return true;
		};
		const run = async () => {
			const { id } = await coordinator.post<Run>("/api/v1/runs", { pipeline: { steps: ["true"] }, project: "web" });
			return coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
		};
		expect((await run()).state).toBe("succeeded");
		const undelivered = async () => (await coordinator.get<Page<Undelivered>>("/api/v1/projects/web/undelivered")).items;
		await forge.until((_, turnedAway) => turnedAway.length >= 2, "what was turned away");
		const [one] = (await undelivered()).filter(({ given_up }) => given_up);
		expect(one).toMatchObject({
			kind: "commit_status",
			tries: 1,
			error: expect.stringMatching(/^127\.0\.0\.1:\d+ answers 401: bad token: token \*\*\*$/),
		});
		// GitHub says of too much, too, that it is forbidden: that passes.
		let isTooMuch = true;
		forge.respond = (_, response) => {
			if (!isTooMuch) return false;
			isTooMuch = false;
			response.writeHead(403).end("You have exceeded a secondary rate limit");
			return true;
		};
		expect((await run()).state).toBe("succeeded");
		await forge.until((told) => told.at(-1)?.body.state === "success", "what was too much at first");
		forge.turnedAway.length = 2;
		const redirecting = (location: string) => {
			forge.respond = (_, response) => {
				response.writeHead(302, { Location: location }).end();
				return true;
			};
		};
		redirecting("http://127.0.0.1:1/api");
		expect((await run()).state).toBe("succeeded");
		await forge.until((_, turnedAway) => turnedAway.length >= 4, "what was led elsewhere");
		expect((await undelivered()).map(({ error }) => error)).toContainEqual(
			expect.stringContaining("redirects to http://127.0.0.1:1, which is not followed"),
		);
		await coordinator.request("/api/v1/projects/web", {
			method: "PATCH",
			body: JSON.stringify({ forge_api: "http://localhost.localdomain.invalid" }),
		});
		expect((await run()).state).toBe("succeeded");
		await coordinator.request("/api/v1/projects/web", { method: "PATCH", body: JSON.stringify({ forge_token: null }) });
		expect((await run()).state).toBe("succeeded");
		await coordinator.program.says(/commit statuses are not sent/);
		expect((await run()).state).toBe("succeeded");
		await eventually(async () => (await undelivered()).every(({ given_up }) => given_up), "no status is undelivered");
		expect(coordinator.program.output.match(/commit statuses are not sent/g)).toHaveLength(1);
		expect(coordinator.program.output).not.toContain("token-of-the-forge");
	});
});
