import type { StepValues } from "../../wire/work.ts";
import { ExpressionFailed } from "../expressions/evaluate.ts";
import type { Scope } from "../expressions/scope.ts";
import { fillForAgent, fillLate, fillMap, type Templated, waitsForAgent } from "../expressions/template.ts";
import type { ResolvedJob } from "../resolve/resolved.ts";
import { IMAGE, IMAGE_ERROR } from "../validate/containers.ts";

/** Fills in the templates that use needed jobs, once these have ended. */

type Settled<Value> = Value extends { template: string }
	? string
	: Value extends object
		? { [Key in keyof Value]: Settled<Value[Key]> }
		: Value;
type ResolvedStep = ResolvedJob["steps"][number];

/** A job with every text filled in, but for those of steps that use earlier steps, and of caches that use files. */
export interface SettledJob extends Omit<Settled<ResolvedJob>, "steps" | "finally" | "caches"> {
	steps: ResolvedStep[];
	caches: ResolvedJob["caches"];
	finally: ResolvedJob["finally"];
	/** The values of the expressions that are evaluated at their steps; null if there are none. */
	values: StepValues | null;
}

/** A job with all templates filled in. @throws ExpressionFailed */
export function settleJob(job: ResolvedJob, scope: Scope): SettledJob {
	const text = (one: Templated) => fillLate(one, scope);
	const map = (one: Readonly<Record<string, Templated>>) => fillMap(one, text);
	const steps = job.steps.map((step) => settledStep(step, scope));
	const caches = job.caches.map((cache) => settledCache(cache, scope));
	const last = job.finally && { ...job.finally, steps: job.finally.steps.map((step) => settledStep(step, scope)) };
	return {
		...job,
		env: map(job.env),
		container: job.container && { ...job.container, image: checkedImage(text(job.container.image)), env: map(job.container.env) },
		services: job.services.map((service) => ({
			...service,
			image: checkedImage(text(service.image)),
			env: map(service.env),
			command: service.command?.map(text) ?? null,
		})),
		steps,
		finally: last,
		caches,
		values: [...steps, ...(last?.steps ?? [])].some(hasExpressions) || caches.some(hasFiles) ? valuesOf(scope) : null,
	};
}

function settledStep(step: ResolvedStep, scope: Scope): ResolvedStep {
	return withTexts(step, (one) => fillForAgent(one, scope));
}

type ResolvedCache = ResolvedJob["caches"][number];

function settledCache(cache: ResolvedCache, scope: Scope): ResolvedCache {
	const text = (one: Templated) => fillForAgent(one, scope);
	return { ...cache, key: text(cache.key), restore_keys: cache.restore_keys.map(text) };
}

/** Whether an agent evaluates the keys of this cache. */
function hasFiles({ key, restore_keys }: ResolvedCache): boolean {
	return [key, ...restore_keys].some(waitsForAgent);
}

/** A step whose texts are what `text` makes of them. @throws ExpressionFailed for a text that is no image where one must be */
export function withTexts<Step extends Pick<ResolvedStep, "env" | "build">>(step: Step, text: (one: Templated) => Templated): Step {
	const map = (one: Readonly<Record<string, Templated>>) => fillMap(one, text);
	const image = (one: Templated) => checkedImage(text(one));
	const { build } = step;
	return {
		...step,
		env: map(step.env),
		build: build && { ...build, tags: build.tags.map(image), cache: build.cache.map(image), args: map(build.args) },
	};
}

/** Whether an agent evaluates expressions for this step. */
function hasExpressions({ condition, env, build }: ResolvedStep): boolean {
	const texts = [...Object.values(env), ...(build ? [...build.tags, ...build.cache, ...Object.values(build.args)] : [])];
	return condition !== null || texts.some(waitsForAgent);
}

function valuesOf({ run, params, doubles, matrix, changed, needs }: Scope): StepValues {
	return { run, params, doubles: [...doubles], matrix, changed, needs };
}

function checkedImage<Text extends Templated>(image: Text): Text {
	if (typeof image !== "string" || (image.length <= 400 && IMAGE.test(image))) return image;
	throw new ExpressionFailed(`${IMAGE_ERROR} The expression gives ${JSON.stringify(image.slice(0, 200))}.`);
}
