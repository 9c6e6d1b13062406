import { createHash } from "node:crypto";
import type { Random } from "../sim/random.ts";

/** What jobs do here: each attempt writes a stream that anyone can work out again, and says its sha256. */

export interface Task {
	seed: number;
	lines: number;
	/** Attempts up to this one fail. */
	failures: number;
}

export interface Work {
	/** Job → what it does. */
	tasks: Record<string, Task>;
	pipeline: object;
}

const MODULUS = 1_000_003;
const STEP = 7_919;

/** Lines of an attempt's stream, as `script` writes them. */
export function streamOf({ seed, lines }: Task, attempt: number): string[] {
	return Array.from({ length: lines }, (_, index) => `| ${seed} ${attempt} ${index + 1} ${((index + 1) * STEP + seed) % MODULUS}`);
}

export function digestOf(lines: readonly string[]): string {
	return createHash("sha256")
		.update(lines.map((line) => `${line}\n`).join(""))
		.digest("hex");
}

/** In sh: the stream, twenty lines at a time, then its sha256; and a file with the same content. */
function script({ seed, lines, failures }: Task): string {
	return [
		"i=0",
		`while [ $i -lt ${lines} ]; do`,
		"  i=$((i+1))",
		`  echo "| ${seed} $CI_ATTEMPT $i $(( (i * ${STEP} + ${seed}) % ${MODULUS} ))"`,
		"  if [ $((i % 20)) -eq 0 ]; then sleep 0.1; fi",
		"done | tee stream.txt",
		'echo "= $(sha256sum < stream.txt | cut -d" " -f1)"',
		`[ $CI_ATTEMPT -gt ${failures} ]`,
	].join("\n");
}

/** A run of one to three jobs; most need the first. */
export function makeWork(random: Random, name: string, mark: string): Work {
	const tasks: Record<string, Task> = {};
	const jobs: Record<string, object> = {};
	for (let index = 0; index < random.between(1, 3); index += 1) {
		const task = {
			seed: random.below(100_000),
			lines: random.chance(0.2) ? random.between(400, 1_200) : random.between(1, 200),
			failures: 0,
		};
		if (random.chance(0.2)) task.failures = 1;
		tasks[`job${index}`] = task;
		jobs[`job${index}`] = {
			...(index > 0 && random.chance(0.7) ? { needs: ["job0"] } : {}),
			retry: { attempts: 8 },
			artifacts: { save: ["stream.txt"] },
			steps: [{ run: script(task), shell: "sh" }],
		};
	}
	return { tasks, pipeline: { name, env: { CHAOS: mark }, jobs } };
}
