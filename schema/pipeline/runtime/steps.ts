import type { StepValues } from "../../wire/work.ts";
import { ExpressionFailed, evaluate } from "../expressions/evaluate.ts";
import type { Scope, StatusFacts, StepFacts } from "../expressions/scope.ts";
import { fillLate } from "../expressions/template.ts";
import type { ResolvedJob } from "../resolve/resolved.ts";
import { withTexts } from "./settle.ts";

/** Evaluates the expressions of a step, right before it. */

/** Everything that the expressions of a step can use. */
interface StepCircumstances {
	values: StepValues;
	/** The steps before it, by their ids. */
	steps: Readonly<Record<string, StepFacts>>;
	status: StatusFacts;
}

type Filled<Value> = Value extends { template: string }
	? string
	: Value extends object
		? { [Key in keyof Value]: Filled<Value[Key]> }
		: Value;
type Unfilled = Omit<ResolvedJob["steps"][number], "shell"> & { shell: string };

/** What became of the expressions of a step. */
export type StepChoice<Step> =
	| { step: Filled<Step> }
	/** Its condition is false. */
	| { isSkipped: true; why: string }
	/** An expression cannot be evaluated. */
	| { problem: string };

/** A step with its texts filled in, if its condition is true. */
export function chooseStep<Step extends Unfilled>(step: Step, { values, steps, status }: StepCircumstances): StepChoice<Step> {
	const scope: Scope = { ...values, steps, status };
	try {
		if (step.condition !== null && !evaluate(step.condition, scope))
			return { isSkipped: true, why: `its condition is false: ${step.condition}` };
		return { step: withTexts(step, (text) => fillLate(text, scope)) as Filled<Step> };
	} catch (error) {
		if (!(error instanceof ExpressionFailed)) throw error;
		return { problem: `An expression of the step cannot be evaluated: ${error.message}`.slice(0, 2000) };
	}
}
