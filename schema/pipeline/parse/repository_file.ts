import type { Trigger } from "../../wire/triggers.ts";
import { DEFAULT_NAME } from "../resolve/resolve.ts";
import type { ResolvedPipeline } from "../resolve/resolved.ts";
import type { ProjectRepository } from "../resolve/source.ts";
import { parsingSource } from "../syntax/document.ts";
import { doneAtOnce, type SlicedWork } from "../syntax/sliced_work.ts";
import { errorAt, validationFailed } from "../validate/errors.ts";
import type { PipelineOfJobs } from "../validate/language.ts";
import { isMap } from "../validate/read_values.ts";
import { type ScheduleText, whyNot } from "../validate/triggers.ts";
import { validatePipeline } from "../validate/validated_pipeline.ts";
import { resolvingSubmission, type Submission } from "./resolved_submission.ts";

/** The pipeline files of a repository, which a trigger runs. */

/** A pipeline file of a repository. */
export interface RepositoryFile {
	/** The path in the repository. */
	path: string;
	text: string;
}

/** A trigger, and the project that it is for. */
export interface Occasion {
	trigger: Trigger;
	/** The paths that have changed; null where they are not known. */
	changed: readonly string[] | null;
	project: string;
	repository: ProjectRepository;
	params: Readonly<Record<string, string>>;
	/** Whether the trigger names this file. */
	isNamed: boolean;
}

/** What a pipeline file asks for. */
export interface RepositoryPipeline {
	/** The name of its pipeline; from the path, if the file has none or has errors. */
	name: string;
	/** The schedules that the file declares. */
	schedules: readonly ScheduleText[];
	/** The run to make, or why there is none. */
	wanted: { submission: Submission } | { because: string };
}

/**
 * Reads a pipeline file for a trigger.
 * @throws ApiError as `checkingSubmission` does
 */
export function* readingRepositoryFile({ path, text }: RepositoryFile, occasion: Occasion): SlicedWork<RepositoryPipeline> {
	const document = yield* parsingSource(text);
	const checked = yield* validatePipeline(document, document.value, []);
	const { trigger, changed, project, repository, params, isNamed } = occasion;
	const name = checked.name ?? nameOfFile(path);
	const schedules = checked.on?.schedule ?? [];
	const misplaced = checked.source && ["git", "upload"].find((key) => key in (checked.source as object));
	if (misplaced !== undefined) {
		const message = `A pipeline file runs at the commit that triggered it: \`source.${misplaced}\` is for submitted pipelines.`;
		throw validationFailed([errorAt(document, ["source", misplaced], message, "Remove it.", { atKey: true })]);
	}
	const because = yield* whyNot(checked.on, trigger, changed, isNamed);
	if (because !== null) return { name, schedules, wanted: { because } };
	const given = {
		params,
		project,
		source: { git: repository.address, ref: trigger.ref, checkout: {} },
		...(trigger.branch === null ? {} : { branch: trigger.branch }),
		...(changed === null ? {} : { changed: [...changed] }),
	};
	const options = {
		repository,
		name,
		event: trigger.kind,
		pullRequest: pullRequestOf(trigger),
		mergeTarget: trigger.merge_target ?? null,
		isBesidePush: yield* isPushedToo(checked.on, trigger),
	};
	const submission = yield* resolvingSubmission({ pipeline: checked, document, at: [] }, given, document, options);
	return { name, schedules, wanted: { submission } };
}

/** The same without a pause. @throws ApiError as `checkingSubmission` does */
export function parseRepositoryFile(file: RepositoryFile, occasion: Occasion): RepositoryPipeline {
	return doneAtOnce(readingRepositoryFile(file, occasion));
}

/** The pull request that a pipeline runs for. */
function pullRequestOf({ pull_request }: Trigger): ResolvedPipeline["pull_request"] {
	if (pull_request === null) return null;
	const { number, target, draft = false, labels = [] } = pull_request;
	return { number, target, draft, labels: [...labels] };
}

/** Whether the push of the pull request's branch makes a run, too. A fork's push sends no delivery. */
function* isPushedToo(on: PipelineOfJobs["on"], trigger: Trigger): SlicedWork<boolean> {
	if (trigger.pull_request === null || trigger.pull_request.is_from_fork) return false;
	return (yield* whyNot(on, { ...trigger, kind: "push", pull_request: null }, null, false)) === null;
}

/** The name of a file's pipeline, also of a file with errors. */
export function nameInFile(file: RepositoryFile): string {
	return doneAtOnce(readingName(file));
}

/** The same in slices. */
export function* readingName({ path, text }: RepositoryFile): SlicedWork<string> {
	try {
		const { value } = yield* parsingSource(text);
		if (isMap(value) && typeof value.name === "string" && value.name.trim() !== "") return value.name.trim().slice(0, 200);
	} catch {
		// A text that does not parse has no name.
	}
	return nameOfFile(path);
}

/** `.windlass/ci.yml` is called ci; `.windlass.yml` gets the name of every pipeline without one. */
function nameOfFile(path: string): string {
	const file = path.slice(path.lastIndexOf("/") + 1).replace(/\.ya?ml$/, "");
	return file.startsWith(".") || file === "" ? DEFAULT_NAME : file.slice(0, 200);
}
