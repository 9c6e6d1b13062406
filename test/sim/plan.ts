import { ACTION_NAMES, ACTIONS, type ActionName } from "./actions.ts";
import type { Random } from "./random.ts";

/** What is done to the world, and at which step. The plan is made before the world begins, so that parts of it can be left out. */

export interface PlannedAction {
	step: number;
	action: ActionName;
	/** Decide what is hit and how hard, from 0 to 1. */
	which: number;
	howMuch: number;
}

/** About one action in so many steps. */
const STEPS_PER_ACTION = [10, 22, 60];
/** Some worlds know nothing of one kind of action and much of another: what always comes together hides what each does alone. */
const LEANINGS = [0, 0, 0.5, 1, 2];

export function makePlan(random: Random, steps: number): PlannedAction[] {
	const weights = ACTION_NAMES.map((action) => ACTIONS[action].weight * (action === "submit" ? 1 : random.pick(LEANINGS)));
	const total = weights.reduce((sum, weight) => sum + weight, 0);
	const draw = (): ActionName => {
		let at = random.unit() * total;
		for (const [index, weight] of weights.entries()) {
			at -= weight;
			if (at < 0) return ACTION_NAMES[index] as ActionName;
		}
		return "submit";
	};
	const action = (): PlannedAction => ({ step: random.below(steps), action: draw(), which: random.unit(), howMuch: random.unit() });
	return Array.from({ length: Math.ceil(steps / random.pick(STEPS_PER_ACTION)) }, action).sort((a, b) => a.step - b.step);
}
