import { statfs } from "node:fs/promises";
import type { Metric } from "../../schema/text/exposition.ts";
import type { AgentNumbers } from "../protocol/running_agent.ts";

/** The metrics of an agent. */

export interface AgentSources extends AgentNumbers {
	version: string;
	/** Of the work folder, in bytes. */
	disk: { free: number; total: number };
}

export function agentMetrics({ isReady, slots, running, taken, ended, undelivered, version, disk }: AgentSources): Metric[] {
	const gauge = (name: string, help: string, value: number): Metric => ({ name, help, type: "gauge", values: [[{}, value]] });
	return [
		{ name: "windlass_agent_info", help: "The version of the agent.", type: "gauge", values: [[{ version }, 1]] },
		gauge("windlass_agent_ready", "Whether the agent reaches its coordinator and takes work.", Number(isReady)),
		gauge("windlass_agent_slots", "How many jobs it runs at once.", slots),
		gauge("windlass_agent_jobs_running", "Jobs that it runs.", running),
		{ name: "windlass_agent_jobs_taken_total", help: "Jobs that it has begun since its start.", type: "counter", values: [[{}, taken]] },
		{
			...{ name: "windlass_agent_jobs_ended_total", help: "Jobs that it has ended since its start, by state.", type: "counter" },
			values: Object.entries(ended).map(([state, count]) => [{ state }, count] as const),
		},
		gauge("windlass_agent_results_undelivered", "Results that the coordinator has not answered yet.", undelivered),
		gauge("windlass_agent_disk_free_bytes", "Free space on the disk of the work folder.", disk.free),
		gauge("windlass_agent_disk_bytes", "The size of that disk.", disk.total),
	];
}

export async function diskOf(folder: string): Promise<{ free: number; total: number }> {
	const { bavail, blocks, bsize } = await statfs(folder);
	return { free: bavail * bsize, total: blocks * bsize };
}
