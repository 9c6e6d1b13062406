import { ExpressionFailed, type RunFacts, type Scope } from "../expressions/expression.ts";
import { fillLate, fillMap, type LateText, type Templated } from "../expressions/template.ts";
import type { ResolvedJob, ResolvedPipeline } from "../resolve/resolved.ts";
import { IMAGE, IMAGE_ERROR } from "../validate/containers.ts";

/** What is left to fill in once the jobs that a job needs have ended. */

type Settled<Value> = Value extends LateText ? string : Value extends object ? { [Key in keyof Value]: Settled<Value[Key]> } : Value;
/** A job with every text filled in. */
export type SettledJob = Settled<ResolvedJob>;

/**
 * Fills in everything of a job that had to wait for its needs.
 * @throws ExpressionFailed
 */
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
	throw new ExpressionFailed(`${JSON.stringify(image.slice(0, 200))} ${IMAGE_ERROR}`);
}

/** What expressions may know of a run from the moment of its submission on. */
export function runFacts(
	pipeline: Pick<ResolvedPipeline, "name" | "branch" | "source" | "pull_request" | "merge_target">,
	project: string,
	event: string,
): RunFacts {
	const ref = pipeline.source && "git" in pipeline.source ? pipeline.source.ref : null;
	const tag = ref?.startsWith("refs/tags/") ? ref.slice("refs/tags/".length) : "";
	return {
		branch: pipeline.branch ?? "",
		tag,
		event,
		project,
		pipeline: pipeline.name,
		pull_request: String(pipeline.pull_request?.number ?? ""),
		target_branch: pipeline.pull_request?.target ?? pipeline.merge_target ?? "",
		draft: pipeline.pull_request?.draft ?? false,
		labels: pipeline.pull_request?.labels ?? [],
	};
}
