import { styleText } from "node:util";
import { plant } from "./plant.ts";
import { PLANTED_BUGS, type PlantedBug } from "./planted_bugs.ts";
import type { WorldResult } from "./share.ts";
import { liveThrough } from "./worlds.ts";

/** Looks for a planted bug in its own world, then in those that follow. @returns the world in which it showed; null if it did in none */
export async function hunt(bug: PlantedBug, steps: number, worlds: number): Promise<WorldResult | null> {
	const planted = plant(bug);
	let found: WorldResult | null = null;
	const look = (seeds: number[]) =>
		liveThrough({
			seeds,
			steps,
			without: [],
			isVerbose: false,
			planted,
			isFirstEnough: true,
			onResult(result) {
				if (result.failure) found ??= result;
			},
		});
	await look([bug.seed]);
	if (found === null) await look(Array.from({ length: worlds - 1 }, (_, index) => bug.seed + 1 + index));
	return found;
}

/** Looks for each planted bug in turn. @returns the exit code: 0 if each was found, by a name of its own */
export async function huntAll(steps: number, worlds: number): Promise<number> {
	console.log(`sim: ${PLANTED_BUGS.length} planted bugs, each in at most ${worlds} worlds of ${steps} steps`);
	let missed = 0;
	for (const bug of PLANTED_BUGS) {
		const result = await hunt(bug, steps, worlds);
		const isFound = result?.failure != null && bug.foundAs.includes(result.failure.kind);
		if (!isFound) missed += 1;
		const what = result?.failure ? `${result.failure.kind} (seed ${result.seed}, ${result.failure.actions.length} actions)` : "not found";
		console.log(`${isFound ? styleText("green", "✓") : styleText("red", "✗")} ${bug.name}: ${what}`);
	}
	console.log(missed === 0 ? "\nEach was caught." : `\n${missed} were not caught as they should be.`);
	return missed === 0 ? 0 : 1;
}
