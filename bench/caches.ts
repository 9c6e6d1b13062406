import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cache, CacheUse } from "../schema/wire/caches.ts";
import type { Page, Run } from "../schema/wire/resources.ts";
import { newRegistrationToken } from "./agent.ts";
import { watchMemory } from "./memory.ts";
import type { Part } from "./part.ts";
import { IS_FLOOR, latencyRow, onceRow, type Row, timesFloor } from "./table.ts";
import { onTarget, PROGRAM, type Target } from "./target.ts";
import { elapsed, repeated, timing } from "./timing.ts";

const FOLDERS = 400;
const FILES_EACH = 50;
const FILE_BYTES = 26_000;
/** How much of a file cannot be compressed, as in most sources and packages. */
const RANDOM_BYTES = 5_800;
const SIZE = `${Math.round((FOLDERS * FILES_EACH * FILE_BYTES) / 1e6)} MB in ${FOLDERS * FILES_EACH} files`;
const AT_ONCE = 50;
const SMALL_BYTES = 20_000_000;
const ROUNDS = 3;
const QUIET_PROBES = 200;
const LOOK_MS = 10;

/** How long saving and restoring take, each beside the programs that do the same on the disk. */
export const caches: Part = {
	title: "Caches",
	measure: (folder) =>
		onTarget(path.join(folder, "data"), ["--no-agent"], async (target) => {
			const tree = path.join(folder, "tree");
			makeTree(tree);
			const floors = floorsOf(folder);
			const token = await newRegistrationToken(target, 2);
			const agents = [
				await startAgent(target, token, "warm", path.join(folder, "warm"), []),
				await startAgent(target, token, "cold", path.join(folder, "cold"), ["--cache-limit", "0", "--slots", String(AT_ONCE)]),
			];
			try {
				const saves: number[] = [];
				const [fromHere, fromThere]: [number[], number[]] = [[], []];
				for (let round = 0; round < ROUNDS; round += 1) {
					const cache = { key: `tree-${round}`, paths: "deps" };
					// Another content each time: the same one would be stored already.
					writeFileSync(path.join(tree, "round"), String(round));
					await run(target, "warm", { cache, steps: [`cp -a ${tree} deps`] });
					saves.push(await elapsed(() => saved(target, cache.key)));
					execFileSync("sync");
					fromHere.push((await run(target, "warm", { cache, steps: ["test -e deps/round"] })).ms);
					execFileSync("sync");
					fromThere.push((await run(target, "cold", { cache, steps: ["test -e deps/round"] })).ms);
				}
				const { rows, memory } = await manyAtOnce(target, folder);
				return {
					rows: [
						onceRow(`cp -a of ${SIZE}`, floors.copy, IS_FLOOR),
						onceRow("  tar | zstd to the disk", floors.pack, IS_FLOOR),
						onceRow("  zstd -d | tar from the disk", floors.unpack, IS_FLOOR),
						onceRow("  restored from this machine", Math.min(...fromHere), `${(Math.min(...fromHere) / floors.copy).toFixed(1)} × cp -a`),
						onceRow(
							"  restored from the coordinator",
							Math.min(...fromThere),
							`${(Math.min(...fromThere) / floors.unpack).toFixed(1)} × zstd -d | tar`,
						),
						onceRow(
							"  saved: end of the job → found by others",
							Math.min(...saves),
							`${(Math.min(...saves) / floors.pack).toFixed(1)} × tar | zstd`,
						),
						...rows,
					],
					memory,
				};
			} finally {
				for (const agent of agents) agent.kill("SIGKILL");
			}
		}),
};

/** Files that compress to a quarter. */
function makeTree(tree: string): void {
	const rest = "const x = require('y');\n".repeat(FILE_BYTES).slice(0, FILE_BYTES - 2 * RANDOM_BYTES);
	for (let index = 0; index < FOLDERS; index += 1) {
		const folder = path.join(tree, `package-${index}`, "lib");
		mkdirSync(folder, { recursive: true });
		for (let file = 0; file < FILES_EACH; file += 1)
			writeFileSync(path.join(folder, `${file}.js`), randomBytes(RANDOM_BYTES).toString("hex") + rest);
	}
}

/** The best of several, because the disk is not always as fast. */
function floorsOf(folder: string): { copy: number; pack: number; unpack: number } {
	const time = (command: string) => {
		execFileSync("sh", ["-c", "rm -rf copy; mkdir -p copy; sync"], { cwd: folder });
		const before = performance.now();
		execFileSync("sh", ["-c", command], { cwd: folder });
		return performance.now() - before;
	};
	const best = (command: string) => Math.min(...Array.from({ length: ROUNDS }, () => time(command)));
	const copy = best("cp -a tree copy/");
	const pack = best("tar -cf - tree | zstd -q -f -o tree.tar.zst");
	const unpack = best("zstd -q -d -c tree.tar.zst | tar -xf - -C copy");
	rmSync(path.join(folder, "copy"), { recursive: true });
	return { copy, pack, unpack };
}

async function startAgent(target: Target, token: string, name: string, workDir: string, args: readonly string[]): Promise<ChildProcess> {
	const own = ["agent", "--server", target.url, "--name", name, "--labels", name, "--work-dir", workDir];
	// On a machine of its own it would not take the coordinator's cores.
	const agent = spawn("nice", ["-n", "19", process.execPath, PROGRAM, ...own, ...args], {
		env: { ...process.env, WINDLASS_TOKEN: token },
		stdio: ["ignore", "ignore", "pipe"],
	});
	await new Promise<void>((resolve) => agent.stderr?.on("data", (text) => String(text).includes("is ready at") && resolve()));
	return agent;
}

/** Runs a job with a cache to its end. */
async function run(target: Target, label: string, job: object): Promise<CacheUse> {
	const { id } = await target.post<Run>("/api/v1/runs", { pipeline: { runs_on: label, ...job } });
	const ended = await target.get<Run>(`/api/v1/runs/${id}/wait`);
	const use = ended.jobs[0]?.attempts[0]?.caches[0];
	if (ended.state !== "succeeded" || !use) throw new Error(`a job with a cache has ended as ${ended.state}`);
	return use;
}

async function saved(target: Target, key: string): Promise<void> {
	while (!(await target.get<Page<Cache>>("/api/v1/projects/adhoc/caches")).items.some((cache) => cache.key === key)) await sleep(LOOK_MS);
}

/** Many restores at once: what the coordinator takes for them, and how long others wait meanwhile. */
async function manyAtOnce(target: Target, folder: string): Promise<{ rows: Row[]; memory: Row[] }> {
	const file = path.join(folder, "small");
	writeFileSync(file, randomBytes(SMALL_BYTES));
	const cache = { key: "small", paths: "deps" };
	await run(target, "warm", { cache, steps: [`mkdir deps; cp ${file} deps/`] });
	await saved(target, cache.key);
	const probe = () => target.get("/api/v1/runs");
	const samples: number[] = [];
	const what = `${AT_ONCE} restores of ${SMALL_BYTES / 1e6} MB at once`;
	const restoreAll = () =>
		Promise.all(Array.from({ length: AT_ONCE }, () => run(target, "cold", { cache, steps: ["test -e deps/small"] })));
	// Without the probes: thousands of requests let the heap grow by more than the restores do.
	const { memory } = await watchMemory(target, what, restoreAll);
	const took = await elapsed(async () => {
		let isOver = false;
		const all = restoreAll().finally(() => {
			isOver = true;
		});
		while (!isOver) samples.push(await elapsed(probe));
		await all;
	});
	const quiet = await repeated(QUIET_PROBES, probe);
	const meanwhile = timing(samples, took);
	return {
		rows: [
			onceRow(what, took, ""),
			latencyRow("GET /api/v1/runs, one at a time, quiet", quiet, IS_FLOOR),
			latencyRow("  the same meanwhile", meanwhile, `${timesFloor(meanwhile, quiet)}, ${(meanwhile.p99 / quiet.p99).toFixed(1)} × p99`),
		],
		memory,
	};
}
