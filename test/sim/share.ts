import "./platform/hooks.ts";
import type { Outcome } from "./simulation.ts";

/**
 * One process' share of the worlds: `share.ts <steps> <seeds> [without]`. Each outcome is sent to the parent; a world that failed is
 * made smaller first, unless it is known what is wrong with it.
 */

const { takeOver } = await import("./platform/globals.ts");
takeOver();
const { simulate } = await import("./simulation.ts");
const { makePlan } = await import("./plan.ts");
const { Random } = await import("./random.ts");
const { shrink } = await import("./shrink.ts");

/** The result of a world, for the parent. */
export interface WorldResult extends Omit<Outcome, "violation" | "faults"> {
	seed: number;
	faults: [string, number][];
	failure: { kind: string; message: string; actions: string[]; without: number[] } | null;
}

const [steps = "", seeds = "", without = "", isVerbose = ""] = process.argv.slice(2);

function live(seed: number, left: ReadonlySet<number>): Promise<Outcome> {
	const plan = makePlan(new Random(seed), Number(steps)).filter((_, index) => !left.has(index));
	return simulate(seed, plan, Number(steps), isVerbose === "verbose");
}

async function resultOf(seed: number): Promise<WorldResult> {
	const left = new Set(without === "" ? [] : without.split(",").map(Number));
	const first = await live(seed, left);
	const { violation, faults, ...rest } = first;
	if (!violation) return { ...rest, seed, faults: [...faults], failure: null };
	const plan = makePlan(new Random(seed), Number(steps));
	const smaller =
		left.size > 0 || process.env.PLANTED_FILE !== undefined || isVerbose === "verbose"
			? { left, outcome: first }
			: await shrink(first, plan.length, (dropped) => live(seed, dropped));
	const { kind, message, stack } = smaller.outcome.violation ?? violation;
	return {
		...rest,
		recent: smaller.outcome.recent,
		seed,
		faults: [...faults],
		failure: {
			kind,
			message: kind === message.split(":", 1)[0] ? message : (stack ?? message),
			actions: plan.flatMap(({ action, step }, index) => (smaller.left.has(index) ? [] : [`${action} at step ${step}`])),
			without: [...smaller.left],
		},
	};
}

for (const seed of seeds.split(",").map(Number)) {
	const result = await resultOf(seed);
	await new Promise((resolve) => process.send?.(result, resolve));
}
process.disconnect();
