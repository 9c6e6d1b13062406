import type * as fc from "fast-check";
import { type FuzzProperty, fuzzProperty } from "../fuzz_property.ts";
import type { Target } from "./target.ts";

/** A property of a running coordinator. */
export type NetworkProperty = (target: Target) => FuzzProperty;

/** Fails, too, if afterwards the coordinator's own log tells of a fault that no answer has told of. */
export function networkProperty<Input>(
	name: string,
	options: { weight: number; most?: number },
	input: fc.Arbitrary<Input>,
	holds: (target: Target, input: Input) => Promise<void>,
): NetworkProperty {
	return (target) => {
		const property = fuzzProperty(name, options, input, (value) => holds(target, value));
		return {
			...property,
			async check(run) {
				target.newFaults();
				const failure = await property.check(run);
				if (failure) return failure;
				// What is logged comes by another way than the answer, and may come a little later.
				await new Promise((resolve) => setTimeout(resolve, 100));
				const faults = target.newFaults();
				if (faults.length === 0) return null;
				const report = `the coordinator has logged ${faults.length} faults of its own, among them:\n${kinds(faults).join("\n")}`;
				return { name, seed: run.seed, path: "", cases: run.cases, report };
			},
		};
	};
}

/** One line of each kind. */
function kinds(lines: readonly string[]): string[] {
	const byKind = new Map(lines.map((line) => [line.replaceAll(/[0-9a-f-]{8,}|\d+/gi, "…"), line]));
	return [...byKind.values()].slice(0, 6).map((line) => line.slice(0, 1500));
}
