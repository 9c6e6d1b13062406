import type { Outcome } from "./simulation.ts";

/** So many worlds at most are tried to find a smaller one, and so many steps in all of them. */
const MAX_TRIES = 60;
const MAX_STEPS = 300_000;

/**
 * Leaves out as much of a plan as can be left out while the same promise is still broken: first halves, then quarters, down to single actions.
 * @param first the outcome with all of it
 * @param live lives through the plan without the actions at these places
 */
export async function shrink(
	first: Outcome,
	actions: number,
	live: (left: ReadonlySet<number>) => Promise<Outcome>,
): Promise<{ left: ReadonlySet<number>; outcome: Outcome }> {
	let best: { left: ReadonlySet<number>; outcome: Outcome } = { left: new Set(), outcome: first };
	let tries = 0;
	let steps = 0;
	const isEnough = () => tries >= MAX_TRIES || steps >= MAX_STEPS;
	for (let size = Math.ceil(actions / 2); ; size = Math.ceil(size / 2)) {
		for (let from = 0; from < actions && !isEnough(); from += size) {
			const left = new Set(best.left);
			for (let index = from; index < Math.min(actions, from + size); index += 1) left.add(index);
			if (left.size === best.left.size) continue;
			tries += 1;
			const outcome = await live(left);
			steps += outcome.steps;
			if (outcome.violation?.kind === first.violation?.kind) best = { left, outcome };
		}
		if (size === 1 || isEnough()) return best;
	}
}
