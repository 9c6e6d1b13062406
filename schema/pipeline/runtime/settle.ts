import { ExpressionFailed } from "../expressions/evaluate.ts";
import type { Scope } from "../expressions/scope.ts";
import { fillLate, fillMap, type LateText, type Templated } from "../expressions/template.ts";
import type { ResolvedJob } from "../resolve/resolved.ts";
import { IMAGE, IMAGE_ERROR } from "../validate/containers.ts";

/** Fills in the templates that use needed jobs, once these have ended. */

type Settled<Value> = Value extends LateText ? string : Value extends object ? { [Key in keyof Value]: Settled<Value[Key]> } : Value;
/** A job with every text filled in. */
export type SettledJob = Settled<ResolvedJob>;

/** A job with all templates filled in. @throws ExpressionFailed */
export function settleJob(job: ResolvedJob, scope: Scope): SettledJob {
	const text = (one: Templated) => fillLate(one, scope);
	const map = (one: Readonly<Record<string, Templated>>) => fillMap(one, text);
	return {
		...job,
		env: map(job.env),
		container: job.container && { ...job.container, image: imageOf(text(job.container.image)), env: map(job.container.env) },
		services: job.services.map((service) => ({
			...service,
			image: imageOf(text(service.image)),
			env: map(service.env),
			command: service.command?.map(text) ?? null,
		})),
		steps: job.steps.map((step) => ({
			...step,
			env: map(step.env),
			build: step.build && {
				...step.build,
				tags: step.build.tags.map(text).map(imageOf),
				cache: step.build.cache.map(text).map(imageOf),
				args: map(step.build.args),
			},
		})),
	};
}

function imageOf(image: string): string {
	if (image.length <= 400 && IMAGE.test(image)) return image;
	throw new ExpressionFailed(`${IMAGE_ERROR} The expression gives ${JSON.stringify(image.slice(0, 200))}.`);
}
