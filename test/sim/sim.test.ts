import { expect, test } from "vitest";
import { type CoveredLines, coverageOf } from "./coverage.ts";
import { hunt } from "./hunt.ts";
import { plant } from "./plant.ts";
import { PLANTED_BUGS } from "./planted_bugs.ts";
import { failureText, Summary, summaryText } from "./report.ts";
import { liveThrough, type Worlds } from "./worlds.ts";

const STEPS = 2_000;
/** Together these strike every fault and run LEAST_COVERED of the queue's core. New worlds are in `npm run sim`. */
const SEEDS = [3, 7, 16, 24, 42, 57];
/** A change of the product changes the course of every world: then so many more are lived through, always the same. */
const MORE_WORLDS = 4;
const MOST_WORLDS = 40;
/** Schedules, approvals and notifications are for the unit tests of the queue. */
const LEAST_COVERED = 0.88;
/** A bug that no longer shows in its own world is looked for in those that follow. */
const PLANTED_WORLDS = 20;

const seedsFrom = (first: number, count: number) => Array.from({ length: count }, (_, index) => first + index);
const simulated = async (options: Partial<Worlds>, summary = new Summary()): Promise<Summary> => {
	const onResult: Worlds["onResult"] = (result) => summary.add(result);
	await liveThrough({ seeds: [], steps: STEPS, without: [], isVerbose: false, planted: null, isFirstEnough: false, onResult, ...options });
	return summary;
};

test("every promise is kept while every kind of fault strikes", async () => {
	const started = performance.now();
	const summary = new Summary();
	const { lines, covered, missed } = await coverageOf("/worker/queue/core/", async (coverage, look) => {
		await simulated({ seeds: SEEDS, coverage }, summary);
		const isEnough = ({ lines, covered }: CoveredLines) => summary.missing.length === 0 && covered / lines >= LEAST_COVERED;
		while (!isEnough(look()) && summary.failures.length === 0 && summary.worlds < MOST_WORLDS)
			await simulated({ seeds: seedsFrom(1_000 + summary.worlds, MORE_WORLDS), coverage }, summary);
	});
	console.log(summaryText(summary, performance.now() - started));
	expect(summary.failures.map((result) => failureText(result, STEPS)).join("\n")).toBe("");
	expect(summary.missing).toEqual([]);
	expect(summary.runs).toBeGreaterThan(SEEDS.length * 5);
	console.log(`lines of the queue's core: ${covered} of ${lines}; not ${missed.join(", ")}`);
	expect(covered / lines).toBeGreaterThanOrEqual(LEAST_COVERED);
}, 300_000);

test("the same seed takes the same course", async () => {
	const hashes = await Promise.all([7, 7, 8].map(async (seed) => (await simulated({ seeds: [seed], steps: 200 })).hash));
	expect(hashes[1]).toBe(hashes[0]);
	expect(hashes[2]).not.toBe(hashes[0]);
}, 60_000);

test.each(PLANTED_BUGS)("a bug can be planted in one place: $name", (bug) => {
	expect(() => plant(bug)).not.toThrow();
});

test.concurrent.each(PLANTED_BUGS.filter(({ isRare }) => !isRare))(
	"the simulation finds a planted bug: $name",
	async (bug) => {
		const found = await hunt(bug, STEPS, PLANTED_WORLDS);
		expect(bug.foundAs).toContain(found?.failure?.kind);
	},
	300_000,
);
