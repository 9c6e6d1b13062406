import { DEED_NAMES, DEEDS, type DeedName } from "./deeds.ts";
import type { Random } from "./random.ts";

/** What is done to the world, and at which step. The plan is made before the world begins, so that parts of it can be left out. */

export interface Action {
	step: number;
	deed: DeedName;
	/** Decide what is hit and how hard, from 0 to 1. */
	which: number;
	howMuch: number;
}

/** About one deed in so many steps. */
const STEPS_PER_DEED = [10, 22, 60];
/** Some worlds know nothing of one kind of deed and much of another: what always comes together hides what each does alone. */
const LEANINGS = [0, 0, 0.5, 1, 2];

export function makePlan(random: Random, steps: number): Action[] {
	const weights = DEED_NAMES.map((deed) => DEEDS[deed].weight * (deed === "submit" ? 1 : random.pick(LEANINGS)));
	const total = weights.reduce((sum, weight) => sum + weight, 0);
	const draw = (): DeedName => {
		let at = random.unit() * total;
		for (const [index, weight] of weights.entries()) {
			at -= weight;
			if (at < 0) return DEED_NAMES[index] as DeedName;
		}
		return "submit";
	};
	const action = (): Action => ({ step: random.below(steps), deed: draw(), which: random.unit(), howMuch: random.unit() });
	return Array.from({ length: Math.ceil(steps / random.pick(STEPS_PER_DEED)) }, action).sort((a, b) => a.step - b.step);
}
