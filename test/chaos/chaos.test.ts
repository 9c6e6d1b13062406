import { expect, onTestFinished, test } from "vitest";
import { chaos } from "./chaos.ts";
import { chaosText } from "./report.ts";

const MS = 60_000;
/** A plan that strikes with every kind of fault within half a minute; others are in `npm run chaos`. */
const SEED = 2_497;

test("real processes, killed, frozen and cut off from each other for a minute, lose nothing and do nothing twice", async () => {
	const said: string[] = [];
	const result = await chaos({ seed: SEED, ms: MS, atEnd: onTestFinished, onStrike: (line) => void said.push(line) });
	console.log(chaosText(result));
	expect(result.checked.broken, said.join("\n")).toEqual([]);
	expect(result.checked.runs).toBeGreaterThan(5);
	expect([...result.faults.values()].filter((times) => times > 0).length).toBeGreaterThanOrEqual(result.faults.size - 1);
}, 600_000);
