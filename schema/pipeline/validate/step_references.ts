import { MAX_STEPS } from "../../wire/limits.ts";
import { checkExpression } from "../expressions/check.ts";
import type { Names } from "../expressions/scope.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { code } from "./errors.ts";
import type { JobText } from "./language.ts";
import type { PlacedStep } from "./steps.ts";
import { templateErrors, UNITS_OF_EXPRESSION, type WholeError } from "./template_errors.ts";
import { allSteps, stepTemplates } from "./templates.ts";

/** The steps of a job that is valid step by step: their number, their ids, and their expressions. */
export function* checkSteps(job: JobText, path: readonly string[], ofJob: Names): SlicedWork<WholeError[]> {
	const steps = allSteps(job, path);
	const errors = [...numberErrors(job, steps, path), ...idErrors(steps)];
	let names: Names = { ...ofJob, steps: [] };
	let group: PlacedStep["group"] = null;
	/** The ids of the group that is being read: its steps do not see each other. */
	let siblings: string[] = [];
	for (const placed of steps) {
		if (siblings.length > 0 && (placed.group === null || placed.group !== group)) {
			names = { ...names, steps: [...(names.steps ?? []), ...siblings] };
			siblings = [];
		}
		group = placed.group;
		errors.push(...(yield* expressionErrors(placed, names)));
		if (placed.step.id !== undefined) siblings.push(placed.step.id);
	}
	return errors;
}

function* expressionErrors({ step, path }: PlacedStep, names: Names): SlicedWork<WholeError[]> {
	const errors: WholeError[] = [];
	for (const one of stepTemplates({ step, path })) errors.push(...(yield* templateErrors(one, names)));
	if (step.if === undefined) return errors;
	yield UNITS_OF_EXPRESSION;
	const checked = checkExpression(step.if, names, "condition");
	return [...errors, ...checked.errors.map((error) => ({ ...error, path: [...path, "if"] }))];
}

function numberErrors({ steps: written }: JobText, steps: readonly PlacedStep[], path: readonly string[]): WholeError[] {
	const ofSteps = steps.filter(({ path: at }) => at[path.length] === "steps");
	if (ofSteps.length <= MAX_STEPS || written.length > MAX_STEPS) return [];
	const message = `A job has at most ${MAX_STEPS} steps; with those of \`parallel\` this one has ${ofSteps.length}.`;
	return [
		{ path: [...path, "steps"], at: null, message, suggestion: "Put commands that belong together into one step, or split the job." },
	];
}

function idErrors(steps: readonly PlacedStep[]): WholeError[] {
	const seen = new Set<string>();
	return steps.flatMap(({ step: { id }, path }) => {
		if (id === undefined || !seen.has(id)) {
			if (id !== undefined) seen.add(id);
			return [];
		}
		return [
			{
				path: [...path, "id"],
				at: null,
				message: `Another step of this job has the id ${code(id)}.`,
				suggestion: "Give each step an id of its own.",
			},
		];
	});
}
