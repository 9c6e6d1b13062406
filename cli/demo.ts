import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { Command } from "commander";
import { formatDuration } from "../schema/wire/duration.ts";
import type { Artifact, Page, Run } from "../schema/wire/resources.ts";
import { Coordinator, DEFAULT_LIMITS, DEFAULT_TIMES } from "./coordinator/coordinator.ts";
import { DataFolder } from "./coordinator/data_folder.ts";
import { exampleSubmission } from "./coordinator/example.ts";
import { Log } from "./coordinator/json_log.ts";
import { LocalAgent } from "./coordinator/local_agent.ts";
import { NO_OUTBOUND } from "./coordinator/outbound.ts";

/** `windlass demo`: the whole of it once, in a temporary folder, with nothing left behind. */
export function demoCommand(setExitCode: (code: number) => void): Command {
	return new Command("demo")
		.description("Run the bundled example to its end, in a temporary folder, and leave nothing behind.")
		.addHelpText("after", "\nExample:\n  windlass demo")
		.action(async () => setExitCode(await demo()));
}

async function demo(): Promise<number> {
	const folder = await mkdtemp(path.join(os.tmpdir(), "windlass-demo-"));
	const data = DataFolder.open(path.join(folder, "data"));
	try {
		const coordinator = await Coordinator.start({
			host: "127.0.0.1",
			port: 0,
			publicUrl: null,
			trustedProxies: [],
			adminToken: null,
			masterKey: { present: data.masterKey, before: null },
			times: DEFAULT_TIMES,
			limits: DEFAULT_LIMITS,
			outbound: NO_OUTBOUND,
			data,
			log: new Log("warn"),
			logLevel: "warn",
		});
		try {
			return await runDemo(coordinator, data);
		} finally {
			await coordinator.stop();
		}
	} finally {
		data.close();
		await rm(folder, { recursive: true, force: true });
	}
}

async function runDemo(coordinator: Coordinator, data: DataFolder): Promise<number> {
	const agent = LocalAgent.start({
		folder: data.agentFolder,
		server: coordinator.localUrl,
		slots: 2,
		registrationToken: () => coordinator.registrationToken(),
	});
	const interrupted = new Promise<null>((resolve) => {
		for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve(null));
	});
	try {
		const runId = await coordinator.submit(await exampleSubmission(data.exampleRepository));
		const copied = coordinator.copy(`/api/v1/runs/${runId}/log`, process.stdout).then(() => true);
		if ((await Promise.race([copied, interrupted])) === null) return 130;
		const run = JSON.parse(await coordinator.get(`/api/v1/runs/${runId}`)) as Run;
		process.stdout.write(`\n${jobTable(run)}\n`);
		await showArtifacts(coordinator, run);
		return run.state === "succeeded" ? 0 : 1;
	} finally {
		agent.drain();
		void interrupted.then(() => agent.drain());
		await agent.ended;
	}
}

function jobTable(run: Run): string {
	const rows = run.jobs.map((job) => {
		const took = job.started_at && job.finished_at ? formatDuration(Date.parse(job.finished_at) - Date.parse(job.started_at)) : "–";
		return [job.key, job.state, took, job.attempts.at(-1)?.agent.name ?? "–"];
	});
	const all = [["job", "state", "took", "agent"], ...rows];
	const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
	return all.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}\n`).join("");
}

async function showArtifacts(coordinator: Coordinator, run: Run): Promise<void> {
	for (const job of run.jobs) {
		const { items } = JSON.parse(await coordinator.get(`/api/v1/jobs/${job.id}/artifacts`)) as Page<Artifact>;
		for (const artifact of items) {
			process.stdout.write(`  artifact ${artifact.path} (${artifact.size} bytes, sha256 ${artifact.sha256.slice(0, 12)}…):\n\n`);
			process.stdout.write((await coordinator.get(artifact.url)).replace(/^/gm, "    ").trimEnd());
			process.stdout.write("\n");
		}
	}
}
