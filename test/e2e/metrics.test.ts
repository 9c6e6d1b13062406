import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { certificateEnd } from "../../cli/coordinator/host_facts.ts";
import type { SubmittedRun } from "../../schema/wire/resources.ts";
import type { CreatedToken } from "../../schema/wire/tokens.ts";
import { Program, TestCoordinator, temporaryFolder, testPort } from "../support/processes.ts";

/** Metrics, with the real Prometheus that scrapes a coordinator and an agent. */

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
const DEPLOY = path.resolve(import.meta.dirname, "../../deploy");
const TOKEN = "a-token-for-prometheus-that-nobody-guesses";
let coordinator: TestCoordinator;
let agentPort: string;

beforeAll(async () => {
	coordinator = await TestCoordinator.start({ environment: { WINDLASS_METRICS_TOKEN: TOKEN }, atEnd });
	agentPort = testPort();
	await coordinator.agent("measured", { slots: "2", args: ["--health-port", agentPort] });
	await coordinator.post("/api/v1/projects", { name: "web", default_branch: "main" });
	for (const steps of [["echo one"], ["echo two > file"], ["exit 3"]]) {
		const { id } = await coordinator.post<SubmittedRun>("/api/v1/runs", {
			...{ project: "web", branch: "main" },
			pipeline: { name: "build", jobs: { main: { steps, artifacts: { save: [{ paths: ["file"], required: false }] } } } },
		});
		await coordinator.get(`/api/v1/runs/${id}/wait?timeout=60`);
	}
	await coordinator.post("/api/v1/runs", { pipeline: { name: "never", runs_on: ["gpu"], steps: ["true"] } });
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

const scrape = async (token: string | null = TOKEN) => (await coordinator.request("/metrics", { token })).text();

/** The value of a metric, by its labels in any order; null without one. */
function metric(text: string, name: string, labels: Record<string, string> = {}): number | null {
	for (const [, all = "", value] of text.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, "gm")))
		if (Object.entries(labels).every(([label, one]) => all.split(",").includes(`${label}="${one}"`))) return Number(value);
	return null;
}

describe("the metrics of the coordinator", () => {
	test("tell what has happened, and pass the check of Prometheus", async () => {
		const text = await scrape();
		execFileSync("promtool", ["check", "metrics"], { input: text });
		expect(metric(text, "windlass_jobs_ended_total", { team: "default", project: "web", state: "succeeded" })).toBe(2);
		expect(metric(text, "windlass_jobs_ended_total", { project: "web", state: "failed" })).toBe(1);
		expect(metric(text, "windlass_runs_ended_total", { project: "web", state: "failed" })).toBe(1);
		expect(metric(text, "windlass_job_run_seconds_count", { project: "web" })).toBe(3);
		expect(metric(text, "windlass_queue_jobs", { labels: "gpu" })).toBe(1);
		expect(metric(text, "windlass_queue_agents", { labels: "gpu" })).toBe(0);
		expect(metric(text, "windlass_slots")).toBe(2);
		// The record is a moment behind.
		await expect
			.poll(async () => metric(await scrape(), "windlass_default_branch_failing", { project: "web" }), { timeout: 10_000 })
			.toBe(1);
		expect(metric(text, "windlass_artifact_bytes_total")).toBe(4);
		expect(metric(text, "windlass_log_bytes_total")).toBeGreaterThan(0);
		expect(metric(text, "windlass_probe_success", { target: "d1" })).toBe(1);
		expect(metric(text, "windlass_http_requests_total", { route: "/api/v1/projects", method: "POST", status: "201" })).toBe(1);
		expect(metric(text, "windlass_http_request_seconds_count", { route: "/api/v1/projects" })).toBe(1);
		await expect.poll(async () => metric(await scrape(), "windlass_disk_free_bytes"), { timeout: 10_000 }).toBeGreaterThan(0);
	});

	test("are for who has their token, and for operators, and for everybody where they are open", async () => {
		const of = async (token: string | null) => (await coordinator.request("/metrics", { token })).status;
		const { token: admin } = await coordinator.post<CreatedToken>("/api/v1/tokens", { name: "an-admin", role: "admin", expires_in: "1d" });
		expect([await of(null), await of("x".repeat(40)), await of(admin)]).toEqual([401, 401, 403]);
		expect((await coordinator.request("/metrics")).status).toBe(200);
		// Its token opens nothing else.
		expect((await coordinator.request("/api/v1/runs", { token: TOKEN })).status).toBe(401);
		const open = await TestCoordinator.start({ args: ["--open-metrics"], atEnd });
		expect((await open.request("/metrics", { token: null })).status).toBe(200);
		const short = new Program(["serve"], { WINDLASS_METRICS_TOKEN: "short" });
		expect([await short.exited, short.output]).toEqual([2, expect.stringContaining("WINDLASS_METRICS_TOKEN must have at least 32")]);
	});

	test("do not go back when workerd is started again, but for the last moments", async () => {
		const own = await TestCoordinator.start({ args: ["--open-metrics"], atEnd });
		await own.agent("own");
		const { id } = await own.post<SubmittedRun>("/api/v1/runs", { pipeline: { name: "a", steps: ["true"] } });
		await own.get(`/api/v1/runs/${id}/wait?timeout=60`);
		const read = async () => (await own.request("/metrics", { token: null })).text();
		const before = metric(await read(), "windlass_http_requests_total", { route: "/api/v1/runs", method: "POST" });
		own.killWorkerd();
		await expect.poll(async () => (await own.request("/readyz", { token: null }).catch(() => null))?.status, { timeout: 20_000 }).toBe(200);
		expect(metric(await read(), "windlass_http_requests_total", { route: "/api/v1/runs", method: "POST" })).toBe(before);
	});
});

describe("Prometheus", () => {
	test("scrapes the coordinator and an agent, loads the alerts, and answers every query of the dashboard", async () => {
		const folder = temporaryFolder(atEnd);
		writeFileSync(path.join(folder, "token"), TOKEN);
		const rules = path.join(DEPLOY, "prometheus/alerts.yml");
		const config = readFileSync(path.join(DEPLOY, "prometheus/prometheus.yml"), "utf8")
			.replace(/15s/g, "1s")
			.replace("- alerts.yml", `- ${rules}`)
			.replace("/etc/prometheus/windlass-token", path.join(folder, "token"))
			.replace("127.0.0.1:7070", new URL(coordinator.url).host)
			.replace("127.0.0.1:9170", `127.0.0.1:${agentPort}`);
		const file = path.join(folder, "prometheus.yml");
		writeFileSync(file, config);
		execFileSync("promtool", ["check", "config", file]);
		const port = testPort();
		const prometheus = new Program(
			[`--config.file=${file}`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`],
			{},
			["prometheus"],
		);
		atEnd(() => prometheus.kill());
		const query = async (expression: string) => {
			const response = await fetch(`http://127.0.0.1:${port}/api/v1/query?${new URLSearchParams({ query: expression })}`);
			return (await response.json()) as {
				status: string;
				error?: string;
				data?: { result: { metric: Record<string, string>; value: [number, string] }[] };
			};
		};
		const up = async () => {
			const { data } = await query("up").catch(() => ({ data: undefined }));
			return (
				data?.result
					.filter(({ value }) => value[1] === "1")
					.map(({ metric }) => metric.job)
					.sort() ?? []
			);
		};
		await expect.poll(up, { timeout: 30_000 }).toEqual(["windlass", "windlass-agents"]);
		// Two scrapes, for rates.
		await expect
			.poll(async () => Number((await query("min(count_over_time(up[1m]))")).data?.result[0]?.value[1] ?? 0), { timeout: 20_000 })
			.toBeGreaterThan(2);
		const dashboard = JSON.parse(readFileSync(path.join(DEPLOY, "grafana/windlass.json"), "utf8"));
		const expressions: string[] = dashboard.panels.flatMap(({ targets }: { targets: { expr: string }[] }) =>
			targets.map(({ expr }) => expr),
		);
		expect(expressions.length).toBeGreaterThan(20);
		for (const expression of expressions) {
			const asked = expression.replaceAll("$team", ".*").replaceAll("$__rate_interval", "1m");
			// What the host says comes a moment after the start, and with the next scrape.
			const answered = async () => {
				const { status, error, data } = await query(asked);
				return [expression, status, error, (data?.result.length ?? 0) > 0];
			};
			await expect.poll(answered, { timeout: 60_000 }).toEqual([expression, "success", undefined, true]);
		}
		const { data } = (await (await fetch(`http://127.0.0.1:${port}/api/v1/rules`)).json()) as {
			data: { groups: { rules: { name: string; health: string; state: string }[] }[] };
		};
		const alerts = data.groups.flatMap((group) => group.rules);
		expect(alerts.filter(({ health }) => health !== "ok")).toEqual([]);
		expect(alerts.find(({ name }) => name === "WindlassNoAgentForLabels")?.state).toBe("pending");
	});

	test("has rules that fire when they should, and only then; they name no metric that does not exist", async () => {
		const folder = path.join(DEPLOY, "prometheus");
		execFileSync("promtool", ["test", "rules", "alerts_test.yml"], { cwd: folder, stdio: "pipe" });
		const agent = await (await fetch(`http://127.0.0.1:${agentPort}/metrics`)).text();
		const told = new Set([...`${await scrape()}${agent}`.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
		// Only with an address of HTTPS.
		told.add("windlass_certificate_expires_timestamp_seconds");
		// Only with backups.
		told.add("windlass_backup_last_timestamp_seconds");
		told.add("windlass_backup_interval_seconds");
		// Only with a schedule of which something is expected.
		told.add("windlass_schedule_overdue");
		const texts = [
			...readdirSync(folder).map((name) => readFileSync(path.join(folder, name), "utf8")),
			readFileSync(path.join(DEPLOY, "grafana/windlass.json"), "utf8"),
		];
		const named = new Set(
			texts.flatMap((text) => [...text.matchAll(/\bwindlass_[a-z0-9_]+/g)].map(([name]) => name.replace(/_(bucket|sum|count)$/, ""))),
		);
		expect([...named].filter((name) => !told.has(name))).toEqual([]);
	});
});

describe("the metrics of an agent", () => {
	test("tell its jobs, and pass the check of Prometheus", async () => {
		const text = await (await fetch(`http://127.0.0.1:${agentPort}/metrics`)).text();
		execFileSync("promtool", ["check", "metrics"], { input: text });
		expect(metric(text, "windlass_agent_ready")).toBe(1);
		expect(metric(text, "windlass_agent_jobs_taken_total")).toBe(3);
		expect(metric(text, "windlass_agent_jobs_ended_total", { state: "failed" })).toBe(1);
		expect(metric(text, "windlass_agent_disk_free_bytes")).toBeGreaterThan(0);
	});
});

describe("the certificate of the public address", () => {
	test("is told of, also when nobody trusts it", async () => {
		const folder = temporaryFolder(atEnd);
		const [key, certificate] = [path.join(folder, "key"), path.join(folder, "certificate")];
		const args = [
			"req",
			"-x509",
			"-newkey",
			"rsa:2048",
			"-nodes",
			"-keyout",
			key,
			"-out",
			certificate,
			"-days",
			"20",
			"-subj",
			"/CN=localhost",
		];
		execFileSync("openssl", args, { stdio: "pipe" });
		const server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) });
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		atEnd(() => void server.close());
		const { port } = server.address() as AddressInfo;
		const days = (((await certificateEnd(new URL(`https://localhost:${port}`))) ?? 0) - Date.now()) / 86_400_000;
		expect([days > 19, days < 21]).toEqual([true, true]);
		expect(await certificateEnd(new URL("https://localhost:1"))).toBeNull();
	});
});
