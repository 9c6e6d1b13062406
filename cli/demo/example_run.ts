import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { Artifact, Page, Run } from "../../schema/wire/resources.ts";
import { Coordinator } from "../coordinator/coordinator.ts";
import { DataFolder } from "../coordinator/data_folder.ts";
import { exampleSubmission } from "../coordinator/example.ts";
import { JsonLog } from "../coordinator/json_log.ts";
import { LocalAgent } from "../coordinator/local_agent.ts";
import { DEFAULT_LIMITS, DEFAULT_TIMES } from "../coordinator/options.ts";
import { NO_OUTBOUND } from "../coordinator/outbound.ts";
import { EXIT } from "../exit_codes.ts";
import { stateText, table, took } from "../terminal.ts";

/**
 * Runs the bundled example once, in a temporary folder that is deleted at the end.
 * @returns the exit code
 */
export async function runExampleOnce(): Promise<number> {
	const folder = await mkdtemp(path.join(os.tmpdir(), "windlass-demo-"));
	const data = DataFolder.open(path.join(folder, "data"));
	try {
		const coordinator = await Coordinator.start({
			host: "127.0.0.1",
			port: 0,
			publicUrl: null,
			trustedProxies: [],
			adminToken: null,
			masterKeys: { present: data.masterKey, former: null },
			times: DEFAULT_TIMES,
			limits: DEFAULT_LIMITS,
			outbound: NO_OUTBOUND,
			data,
			log: new JsonLog("warn"),
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
		server: coordinator.addresses.local,
		slots: 2,
		registrationToken: () => coordinator.registrationToken(),
	});
	const interrupted = new Promise<null>((resolve) => {
		for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve(null));
	});
	try {
		const runId = await coordinator.submit(await exampleSubmission(data.exampleRepository));
		const copied = coordinator.copy(`/api/v1/runs/${runId}/log`, process.stdout).then(() => true);
		if ((await Promise.race([copied, interrupted])) === null) return EXIT.cancelled;
		const run = JSON.parse(await coordinator.get(`/api/v1/runs/${runId}`)) as Run;
		process.stdout.write(`\n${jobTable(run)}\n`);
		await showArtifacts(coordinator, run);
		return run.state === "succeeded" ? EXIT.succeeded : EXIT.failed;
	} finally {
		agent.drain();
		void interrupted.then(() => agent.drain());
		await agent.ended;
	}
}

function jobTable(run: Run): string {
	const rows = run.jobs.map((job) => {
		return [job.key, stateText(job.state), took(job.started_at, job.finished_at), job.attempts.at(-1)?.agent.name ?? "–"];
	});
	return table([["job", "state", "took", "agent"], ...rows]).replace(/^(?=.)/gm, "  ");
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
