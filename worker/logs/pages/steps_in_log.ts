import type { Step } from "../../../schema/wire/resources.ts";
import type { StepState } from "../../../schema/wire/states.ts";

/** Steps that share their place in the log: one, or those that ran at the same time. */
export interface StepsInLog {
	name: string;
	state: StepState;
	started_at: string | null;
	finished_at: string | null;
	log_line: number;
}

/** The state of several steps is the first of these that any of them has. */
const ORDER = ["running", "failed", "timed_out", "cancelled", "pending", "succeeded", "skipped"] as const satisfies readonly StepState[];

/** The steps that have a place in the log, in its order. */
export function stepsInLog(steps: readonly Step[]): StepsInLog[] {
	const begun = steps.filter((step) => step.log_line !== null);
	return [...Map.groupBy(begun, ({ log_line }) => log_line as number)].map(([log_line, together]) => {
		const states = together.map(({ state }) => state);
		const ends = together.map(({ finished_at }) => finished_at);
		return {
			name: together.map(({ name }) => name).join(" · "),
			state: ORDER.find((state) => states.includes(state)) ?? "pending",
			started_at: together[0]?.started_at ?? null,
			finished_at: ends.includes(null) ? null : (ends.sort().at(-1) ?? null),
			log_line,
		};
	});
}
