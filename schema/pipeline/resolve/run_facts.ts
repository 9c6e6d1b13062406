import type { RunFacts } from "../expressions/scope.ts";
import type { ResolvedPipeline } from "./resolved.ts";
import { FULL_COMMIT } from "./source.ts";

/** The values of `run` in expressions, known from the submission on. */
export function runFacts(
	pipeline: Pick<ResolvedPipeline, "name" | "branch" | "source" | "pull_request" | "merge_target" | "sha" | "base_sha">,
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
		sha: pipeline.sha ?? (ref !== null && FULL_COMMIT.test(ref) ? ref : ""),
		base_sha: pipeline.base_sha ?? "",
	};
}
