import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import path from "node:path";
import type { PlantedModule } from "./plant.ts";
import type { WorldResult } from "./share.ts";

/** Many worlds, spread over the processors of this machine. */
export interface Worlds {
	seeds: readonly number[];
	/** For how many steps things are done to each world. */
	steps: number;
	/** The places in the plan of what is left out. */
	without: readonly number[];
	/** Whether every event is printed. */
	isVerbose: boolean;
	/** The module with a planted bug. */
	planted: PlantedModule | null;
	/** Where the coverage of each process is written (NODE_V8_COVERAGE). */
	coverage?: string;
	/** Whether the first failure ends it all. */
	isFirstEnough: boolean;
	onResult: (result: WorldResult) => void;
}

const SHARE = path.join(import.meta.dirname, "share.ts");

/** Lives through all of them. @returns once every process has ended */
export async function liveThrough(worlds: Worlds): Promise<void> {
	const processes = Math.min(availableParallelism(), worlds.seeds.length);
	const shares = Array.from({ length: processes }, (_, index) => worlds.seeds.filter((_, at) => at % processes === index));
	const stop = new AbortController();
	await Promise.all(shares.map((seeds) => liveShare(seeds, worlds, stop)));
}

function liveShare(seeds: readonly number[], worlds: Worlds, stop: AbortController): Promise<void> {
	const { NODE_V8_COVERAGE: _, ...environment } = process.env;
	if (worlds.planted !== null) Object.assign(environment, { PLANTED_FILE: worlds.planted.file, PLANTED_SOURCE: worlds.planted.source });
	if (worlds.coverage !== undefined) environment.NODE_V8_COVERAGE = worlds.coverage;
	const child = fork(SHARE, [String(worlds.steps), seeds.join(), worlds.without.join(), worlds.isVerbose ? "verbose" : ""], {
		env: environment,
		execArgv: ["--disable-warning=ExperimentalWarning"],
	});
	return new Promise((resolve, reject) => {
		let finished = 0;
		child.on("message", (message) => {
			finished += 1;
			const one = message as WorldResult;
			if (stop.signal.aborted) return;
			if (one.failure && worlds.isFirstEnough) stop.abort();
			worlds.onResult(one);
		});
		stop.signal.addEventListener("abort", () => child.kill());
		child.once("error", reject);
		child.once("exit", (code) => {
			if (finished === seeds.length || stop.signal.aborted) resolve();
			else reject(new Error(`a process of the simulation ended with ${code} after  of ${seeds.length} worlds`));
		});
	});
}
