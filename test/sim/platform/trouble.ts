import type { World } from "../world.ts";

/** What may go wrong with one request to a store. */
export interface StoreTrouble {
	/** How likely it fails before anything has happened. */
	failing: number;
	/** How likely it happens, and its answer is lost. */
	forgetful: number;
	/** How likely it takes long. */
	slow: number;
}

export const NO_TROUBLE: StoreTrouble = { failing: 0, forgetful: 0, slow: 0 };

/** Beyond every deadline of the coordinator. */
const SLOW_MS = 45_000;

/** One request to a store, with all that may go wrong. */
export function throughTrouble<Result>(world: World, store: string, trouble: StoreTrouble, work: () => Result): Promise<Result> {
	const { life, random } = world;
	const delay = random.chance(trouble.slow) ? random.below(SLOW_MS) : random.between(1, 8);
	if (delay > 10) world.strike(`${store} slow`);
	return new Promise((resolve, reject) => {
		const lost = () => reject(new Error(`${store}_ERROR: the connection was lost`));
		world.naturally(delay, `${store} works`, () => {
			if (random.chance(trouble.failing)) {
				world.strike(`${store} fails before`);
				world.after(1, `${store} has failed`, lost, life);
				return;
			}
			if (life.isDead) world.strike(`${store} does it for nobody`);
			let settle: () => void;
			try {
				const result = work();
				settle = () => resolve(result);
			} catch (error) {
				settle = () => reject(error);
			}
			if (random.chance(trouble.forgetful)) {
				world.strike(`${store} fails after`);
				settle = lost;
			}
			world.after(random.between(1, 4), `${store} has answered`, settle, life);
		});
	});
}
