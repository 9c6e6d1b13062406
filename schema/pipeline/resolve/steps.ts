import { usesOf } from "../expressions/evaluate.ts";
import type { Scope } from "../expressions/scope.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import type { PlacedStep, StepText } from "../validate/steps.ts";
import type { Pipeline } from "../validate/templates.ts";
import type { ResolvedJob } from "./resolved.ts";
import type { TemplateFiller } from "./template_filler.ts";

type ResolvedStep = ResolvedJob["steps"][number];

/** A step with the defaults of its pipeline. */
export function* resolvedStep(
	filler: TemplateFiller,
	{ step, path, group }: PlacedStep,
	{ defaults, isContained }: { defaults: Pipeline["defaults"]; isContained: boolean },
	scope: Scope,
): SlicedWork<ResolvedStep> {
	const what = step.run ?? `build ${step.build?.tags[0] ?? ""}`;
	return {
		name: step.name === undefined ? firstLine(what) : yield* filler.fill(step.name, scope, [...path, "name"]),
		id: step.id ?? null,
		condition: step.if ?? null,
		asks_for_status: step.if !== undefined && usesOf(step.if).status,
		run: step.run ?? "",
		env: yield* filler.earlyMap(step.env, scope, [...path, "env"]),
		working_directory: step.build ? null : (step.working_directory ?? defaults?.working_directory ?? null),
		shell: step.shell ?? defaults?.shell ?? (isContained ? "default" : "bash"),
		timeout_ms: step.timeout ?? null,
		build: step.build ? yield* resolvedBuild(filler, step.build, scope, [...path, "build"]) : null,
		continue_on_error: step.continue_on_error ?? false,
		retry: step.retry ? { attempts: step.retry.attempts, delay_ms: step.retry.delay ?? 0 } : null,
		group,
	};
}

function* resolvedBuild(
	filler: TemplateFiller,
	build: NonNullable<StepText["build"]>,
	scope: Scope,
	path: string[],
): SlicedWork<NonNullable<ResolvedStep["build"]>> {
	const tags = yield* filler.earlyList(build.tags, scope, path);
	const cache = yield* filler.earlyList(build.cache ?? [], scope, path);
	return {
		context: build.context ?? ".",
		dockerfile: build.dockerfile ?? null,
		tags: tags.map((tag) => filler.checkedImage(tag, [...path, "tags"])),
		push: build.push ?? false,
		cache: cache.map((tag) => filler.checkedImage(tag, [...path, "cache"])),
		args: yield* filler.earlyMap(build.args, scope, path),
		target: build.target ?? null,
		credentials: build.credentials ?? null,
	};
}

function firstLine(script: string): string {
	const line = script.trim().split("\n", 1)[0] ?? "";
	return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}
