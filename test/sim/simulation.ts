import { ACTIONS } from "./actions.ts";
import type { PlannedAction } from "./plan.ts";
import { enter } from "./platform/globals.ts";
import { Scene } from "./scene.ts";
import { Violation, World } from "./world.ts";

/** One world from its beginning to its end: things are done to it for so many steps, then it is left in peace, and must come to rest. */

export interface Outcome {
	/** What went wrong; null if nothing did. */
	violation: Violation | null;
	steps: number;
	virtualMs: number;
	hash: string;
	faults: ReadonlyMap<string, number>;
	runs: number;
	attempts: number;
	recent: readonly string[];
}

/** Within this time everything must come to rest once it is left in peace: the longest chain of jobs, with all that is tried again. */
const REST_MS = 3 * 60 * 60_000;
const MAX_REST_STEPS = 60_000;

/** Lives through one world. @param steps for how many steps the plan goes on */
export async function simulate(seed: number, plan: readonly PlannedAction[], steps: number, isVerbose: boolean): Promise<Outcome> {
	const world = new World(seed, isVerbose);
	enter(world);
	const scene = new Scene(world);
	let violation: Violation | null = null;
	try {
		scene.begin();
		await liveThrough(scene, plan, steps);
		await rest(scene);
		scene.invariants.checkEnd();
	} catch (error) {
		violation = error instanceof Violation ? error : new Violation("the code has failed", (error as Error).stack ?? String(error));
	}
	return {
		violation,
		steps: world.steps,
		virtualMs: world.now,
		hash: world.hash(),
		faults: world.faults,
		runs: scene.ledger.runs.size,
		attempts: scene.model.attempts.size,
		recent: world.recent,
	};
}

async function liveThrough(scene: Scene, plan: readonly PlannedAction[], steps: number): Promise<void> {
	const { world } = scene;
	const actions = [...plan];
	while (world.steps < steps) {
		const next = actions[0];
		if (next && next.step <= world.steps) {
			actions.shift();
			await act(scene, next);
		} else if (!(await world.step())) throw new Violation("nothing happens any more", "the world stands still");
	}
}

async function act(scene: Scene, { action, which, howMuch }: PlannedAction): Promise<void> {
	const { world } = scene;
	if (ACTIONS[action].isFault) world.strike(action);
	await world.act(world.life, `── ${action} (${which.toFixed(2)}, ${howMuch.toFixed(2)})`, () =>
		ACTIONS[action].perform(scene, which, howMuch),
	);
}

/** A row that is refused holds up its own run and none other; once it is taken, everything must come to its end. */
async function rest(scene: Scene): Promise<void> {
	const { world, coordinator } = scene;
	world.note("── from here on nothing is broken any more ──");
	scene.mend();
	const refused = [...coordinator.record.poison];
	await untilNothingIsLeft(world, () => scene.unfinished(refused));
	coordinator.record.poison.clear();
	await untilNothingIsLeft(world, () => scene.unfinished([]));
}

async function untilNothingIsLeft(world: World, left: () => string): Promise<void> {
	const until = world.now + REST_MS;
	const limit = world.steps + MAX_REST_STEPS;
	while (left() !== "") {
		const isOverdue = world.now > until || world.steps > limit;
		if (isOverdue || !(await world.step())) throw new Violation("it never comes to rest", left());
	}
}
