import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { TestProject } from "vitest/node";
import { processesNaming, saveCounters, workerdsOf } from "./processes.ts";

/** The end of the coordinators that end-to-end tests share: they live longer than the workers of the test runner. */

declare module "vitest" {
	export interface ProvidedContext {
		/** A folder in which each of them has one, with its data and its URL. */
		sharedCoordinators: string;
	}
}

export default function setUp({ provide }: TestProject): () => Promise<void> {
	const shared = mkdtempSync(path.join(os.tmpdir(), "windlass-shared-"));
	provide("sharedCoordinators", shared);
	return async () => {
		for (const name of readdirSync(shared)) {
			const folder = path.join(shared, name);
			await saveCounters(readFileSync(path.join(folder, "url"), "utf8"));
			for (const pid of processesNaming(folder)) process.kill(pid, "SIGKILL");
			for (const pid of workerdsOf(path.join(folder, "data"))) process.kill(pid, "SIGKILL");
		}
		rmSync(shared, { recursive: true, force: true, maxRetries: 5 });
	};
}
