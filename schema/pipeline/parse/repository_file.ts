import { ApiError } from "../../wire/errors.ts";
import type { Trigger } from "../../wire/triggers.ts";
import type { IncludedTexts } from "../compose/include_place.ts";
import { DEFAULT_NAME } from "../resolve/resolve.ts";
import type { ResolvedPipeline } from "../resolve/resolved.ts";
import type { ProjectRepository } from "../resolve/source.ts";
import { parsingSource, type SourceDocument } from "../syntax/document.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { errorAt, validationFailed } from "../validate/errors.ts";
import type { PipelineOfJobs } from "../validate/language.ts";
import { isMap } from "../validate/read_values.ts";
import { type ScheduleText, whyNot } from "../validate/triggers.ts";
import { composedPipeline } from "./composed_pipeline.ts";
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
	/** The commit, and the one that the changes are compared with; null where they are not known. */
	sha: string | null;
	baseSha: string | null;
	project: string;
	repository: ProjectRepository;
	params: Readonly<Record<string, string>>;
	/** The files that it may include. */
	included: IncludedTexts;
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
	wanted: { submission: Submission } | { because: string } | { error: ApiError };
}

/**
 * Reads a pipeline file for a trigger. A file with errors has a name, too: the errors are part of
 * the result.
 */
export function* readingRepositoryFile({ path, text }: RepositoryFile, occasion: Occasion): SlicedWork<RepositoryPipeline> {
	let name = nameOfFile(path);
	try {
		const document = yield* parsingSource(text);
		name = nameIn(document.value) ?? name;
		return { name, ...(yield* readingDocument(document, name, occasion)) };
	} catch (error) {
		if (!(error instanceof ApiError)) throw error;
		return { name, schedules: [], wanted: { error } };
	}
}

/** @throws ApiError `validation_failed` */
function* readingDocument(document: SourceDocument, name: string, occasion: Occasion): SlicedWork<Omit<RepositoryPipeline, "name">> {
	const valid = yield* composedPipeline(document, document.value, [], occasion.included);
	const checked = valid.pipeline;
	const { trigger, changed, project, repository, params, isNamed } = occasion;
	const schedules = checked.on?.schedule ?? [];
	const misplaced = checked.source && ["git", "upload"].find((key) => key in (checked.source as object));
	if (misplaced !== undefined) {
		const message = `A pipeline file runs at the commit that triggered it: \`source.${misplaced}\` is for submitted pipelines.`;
		throw validationFailed([errorAt(document, ["source", misplaced], message, "Remove it.", { atKey: true })]);
	}
	const because = yield* whyNot(checked.on, trigger, changed, isNamed);
	if (because !== null) return { schedules, wanted: { because } };
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
		sha: occasion.sha,
		baseSha: occasion.baseSha,
		isBesidePush: yield* isPushedToo(checked.on, trigger),
	};
	const submission = yield* resolvingSubmission(valid, given, document, options);
	return { schedules, wanted: { submission } };
}

/** The pull request that a pipeline runs for. */
function pullRequestOf({ pull_request }: Trigger): ResolvedPipeline["pull_request"] {
	if (pull_request === null) return null;
	const { number, target, draft = false, labels = [] } = pull_request;
	return { number, target, draft, labels: [...labels] };
}

/**
 * Whether the push of the pull request's branch makes a run, too. A fork's push sends no delivery.
 */
function* isPushedToo(on: PipelineOfJobs["on"], trigger: Trigger): SlicedWork<boolean> {
	if (trigger.pull_request === null || trigger.pull_request.is_from_fork) return false;
	return (yield* whyNot(on, { ...trigger, kind: "push", pull_request: null }, null, false)) === null;
}

/** The name that a pipeline has in its text, which may have errors. */
function nameIn(value: unknown): string | null {
	if (!isMap(value) || typeof value.name !== "string" || value.name.trim() === "") return null;
	return value.name.trim().slice(0, 200);
}

/** `.windlass/ci.yml` is called ci; `.windlass.yml` gets the name of every pipeline without one. */
export function nameOfFile(path: string): string {
	const file = path.slice(path.lastIndexOf("/") + 1).replace(/\.ya?ml$/, "");
	return file.startsWith(".") || file === "" ? DEFAULT_NAME : file.slice(0, 200);
}
