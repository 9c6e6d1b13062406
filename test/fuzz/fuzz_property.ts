import * as fc from "fast-check";

/** How a property is run: `path` leads straight to one case of that seed. */
interface FuzzRun {
	seed: number;
	cases: number;
	path?: string | undefined;
}

/** What did not hold, with what is needed to see it again. */
export interface FuzzFailure {
	name: string;
	seed: number;
	/** Empty where it is not one case that failed. */
	path: string;
	/** How many cases there were to be. */
	cases: number;
	report: string;
}

/** Something that must hold for every input. */
export interface FuzzProperty {
	name: string;
	/** Its share of all cases, beside the others. */
	weight: number;
	/** As many cases as are worth their time: a case of it is slow, or there is not more to find. */
	most: number;
	/** @returns what did not hold; null if all did */
	check(run: FuzzRun): Promise<FuzzFailure | null>;
}

/** A counterexample is made smaller for at most this long: where each try is slow that has no end otherwise. */
const SHRINKING_MS = 30_000;

export function fuzzProperty<Input>(
	name: string,
	{ weight, most = Number.MAX_SAFE_INTEGER }: { weight: number; most?: number },
	input: fc.Arbitrary<Input>,
	holds: (input: Input) => void | Promise<void>,
): FuzzProperty {
	return {
		name,
		weight,
		most,
		async check({ seed, cases, path }) {
			let firstFaultAt: number | null = null;
			const property = fc.asyncProperty(input, async (value) => {
				if (firstFaultAt !== null && Date.now() - firstFaultAt > SHRINKING_MS) return;
				try {
					await holds(value);
				} catch (error) {
					firstFaultAt ??= Date.now();
					throw error;
				}
			});
			const details = await fc.check(property, { seed, numRuns: cases, ...(path === undefined ? {} : { path }) });
			if (!details.failed) return null;
			const report = `${await fc.asyncDefaultReportMessage(details)}\n\n${faultText(details.errorInstance)}`;
			return { name, seed: details.seed, path: details.counterexamplePath ?? "", cases, report };
		},
	};
}

/** What was thrown, and where. */
function faultText(fault: unknown): string {
	return fault instanceof Error ? (fault.stack ?? fault.message).split("\n").slice(0, 8).join("\n") : String(fault);
}
