import type { RunRow } from "../../schema/database/tables.ts";
import { type IncludedTexts, placeKey } from "../../schema/pipeline/compose/include_place.ts";
import {
	nameOfFile,
	type RepositoryFile,
	type RepositoryPipeline,
	readingRepositoryFile,
} from "../../schema/pipeline/parse/repository_file.ts";
import { definitionJson } from "../../schema/pipeline/resolve/definition_json.ts";
import type { Discovery } from "../../schema/pipeline/resolve/resolved.ts";
import { type ResolvedPipeline, withDefaults } from "../../schema/pipeline/resolve/resolved.ts";
import { placeIn } from "../../schema/pipeline/validate/errors.ts";
import { CONFIG_FILE, CONFIG_FOLDER, type DiscoveryResult, usualFolders } from "../../schema/wire/discovery.ts";
import { ApiError, type FieldError } from "../../schema/wire/errors.ts";
import { newId } from "../../schema/wire/ids.ts";
import { MAX_DISCOVERED_BYTES } from "../../schema/wire/limits.ts";
import type { Reason } from "../../schema/wire/states.ts";
import { whySkipped } from "../../schema/wire/triggers.ts";
import { sha256 } from "../identity/digest.ts";
import { withTurn } from "../platform/turns.ts";
import type { Discovered, DiscoveredFile } from "../queue/core/discovery/discovery_jobs.ts";
import type { FileSchedule } from "../queue/core/discovery/schedules.ts";
import type { Submit } from "../queue/core/runs/submit.ts";

/** A discovery job and its run. */
export interface DiscoveryOfRun {
	discovery: Discovery;
	run: RunRow;
}

const MAX_ERRORS = 20;
const MAX_ERROR_CHARACTERS = 2000;

/**
 * The runs, schedules and skipped files of a discovery result. An error in one file does not stop
 * the others.
 */
export async function discoveredRuns(
	{ discovery, run }: DiscoveryOfRun,
	{ files, changed, base, included }: DiscoveryResult,
): Promise<Discovered> {
	const { trigger } = discovery;
	const skipped = whySkipped(trigger, run.commit_message);
	if (files.length === 0)
		return { files: [await nothingFound(discovery, run, skipped)], schedules: discovery.is_of_default_branch ? [] : null };
	const locations = discovery.work.config === null ? usualFolders(files.map(({ path }) => path)) : [];
	if (skipped === null && locations.length > 1) {
		const file = { path: CONFIG_FILE, text: "" };
		return {
			files: [await invalidRun(run, file, nameOfFile(file.path), `The repository has both ${locations.join(" and ")}. Keep one of them.`)],
			schedules: null,
		};
	}
	const discovered: DiscoveredFile[] = [];
	let isValid = true;
	const schedules: FileSchedule[] = [];
	const names = new Map<string, string>();
	let bytes = 0;
	const texts = textsOf(included);
	for (const file of files) {
		let name = nameOfFile(file.path);
		try {
			const occasion = {
				trigger,
				changed,
				sha: run.commit_sha,
				baseSha: base,
				project: run.project,
				repository: { address: run.source_git ?? "", branch: "" },
				params: discovery.params,
				included: texts,
				isNamed: discovery.file !== null,
			};
			const read = await withTurn(readingRepositoryFile(file, occasion), file.text.length);
			const { schedules: asked, wanted } = read;
			name = read.name;
			if ("error" in wanted) throw wanted.error;
			schedules.push(...asked.map((one) => scheduleOf(file, one)));
			const other = names.get(name);
			if (other !== undefined)
				throw new ApiError("validation_failed", `The pipeline of ${other} has the name ${name}, too.`, {
					suggestions: ["Rename one of them."],
				});
			names.set(name, file.path);
			if (skipped !== null) discovered.push({ file: file.path, because: skipped });
			else if ("because" in wanted) discovered.push({ file: file.path, because: wanted.because });
			else {
				bytes += definitionJson(wanted.submission.pipeline).length;
				if (bytes > MAX_DISCOVERED_BYTES)
					throw new ApiError(
						"validation_failed",
						`The pipelines of this repository have more than ${MAX_DISCOVERED_BYTES} bytes in total.`,
						{ suggestions: ["Split or shorten them."] },
					);
				discovered.push({ file: file.path, submit: await submissionOf(run, file, wanted.submission.pipeline), error: null });
			}
		} catch (error) {
			// A busy coordinator is no error of the file: the agent sends the result again.
			if (!(error instanceof ApiError) || error.code === "unavailable") throw error;
			isValid = false;
			discovered.push(skipped !== null ? { file: file.path, because: skipped } : await invalidRun(run, file, name, errorText(error)));
		}
	}
	// A skipped commit shows no errors, so its schedules apply only if all its files are valid.
	const isApplied = discovery.is_of_default_branch && (isValid || skipped === null);
	const keepsEarlier = trigger.pull_request?.event === "ready_for_review" && discovered.every((one) => "because" in one);
	return { files: discovered, schedules: isApplied ? schedules : null, keepsEarlier };
}

/** The texts of included files, for those who put pipelines together. */
function textsOf(included: DiscoveryResult["included"]): IncludedTexts {
	return new Map(
		included.map(({ file, project, ref, sha, text, error }) => [
			placeKey({ file, project, ref }),
			text === null ? { error: error ?? "It cannot be read.", suggestion: "See the log of the discovery job." } : { text, sha },
		]),
	);
}

/**
 * The result without files: an error for a named file or a project that requires a pipeline, else
 * a skip.
 */
async function nothingFound(discovery: Discovery, run: RunRow, skipped: string | null): Promise<DiscoveredFile> {
	if (discovery.file !== null)
		return invalidRun(run, { path: discovery.file, text: "" }, nameOfFile(discovery.file), "The file does not exist at this commit.");
	const because = `this commit has ${missingFiles(discovery)}`;
	if (!discovery.requires_pipeline || skipped !== null || isClosed(discovery)) return { file: "*", because };
	const path = discovery.work.config ?? CONFIG_FILE;
	return {
		...(await invalidRun(run, { path, text: "" }, nameOfFile(path), `This project requires a pipeline, and ${because}.`)),
		state: "failed",
	};
}

/** A closed pull request needs no pipeline. */
function isClosed({ trigger }: Discovery): boolean {
	return trigger.pull_request?.event === "closed";
}

/** The files that the commit does not have. */
function missingFiles({ work }: Discovery): string {
	return work.config === null ? `no ${CONFIG_FILE} and no ${CONFIG_FOLDER}/*.yml` : `no file at ${work.config}`;
}

/** The notices of a project after a discovery job; null deletes the notice of its kind. */
export function discoveryNotices(
	{ discovery, run }: DiscoveryOfRun,
	{ files, is_default_branch_missing }: DiscoveryResult,
): Record<string, string | null> {
	const { trigger, file } = discovery;
	if (run.is_trusted !== 1) return {};
	const edit = `windlass projects edit ${run.project}`;
	const at = `${trigger.tag === null ? `branch ${trigger.branch}` : `tag ${trigger.tag}`} at ${(run.commit_sha ?? "").slice(0, 12)}`;
	const isEmpty = files.length === 0 && file === null;
	const isMissing = isEmpty && !isClosed(discovery) && whySkipped(trigger, run.commit_message) === null;
	const { default_branch: renamed } = trigger;
	// A person may copy the command into a shell, and a branch name may contain shell syntax.
	const safe = renamed !== undefined && /^\w[\w./-]*$/.test(renamed) ? renamed : "<its name>";
	return {
		...(isMissing || files.length > 0
			? {
					no_pipeline: isMissing
						? `No pipeline ran for the ${at}: it has ${missingFiles(discovery)}. Add a pipeline, or set its path: ${edit} --config <path>`
						: null,
				}
			: {}),
		...(renamed === undefined
			? {}
			: {
					default_branch: is_default_branch_missing
						? `The repository has no branch ${discovery.work.default_branch}; its default branch is ${renamed}. Schedules, badges and runs without a branch use the setting default_branch. Run: ${edit} --default-branch ${safe}`
						: null,
				}),
	};
}

type ScheduleText = RepositoryPipeline["schedules"][number];

function scheduleOf({ path: file }: RepositoryFile, { cron, timezone = "UTC", branch, params = {}, expect }: ScheduleText): FileSchedule {
	return { file, cron, timezone, branch: branch ?? null, params, successWithinMs: expect?.success_within ?? null };
}

/** A run that ends at once with an error. */
async function invalidRun(run: RunRow, file: RepositoryFile, name: string, text: string): Promise<DiscoveredFile & { error: Reason }> {
	const error: Reason = { code: "config_invalid", text: `${file.path}: ${text}`.slice(0, MAX_ERROR_CHARACTERS) };
	const source = run.source_git === null ? null : { git: run.source_git, ref: run.source_ref };
	const pipeline = withDefaults({
		name,
		source,
		branch: run.branch,
		pull_request: run.pull_request === null ? null : { number: run.pull_request, target: "" },
		priority: 0,
		jobs: [],
	});
	return { file: file.path, submit: await submissionOf(run, file, pipeline), error };
}

/** The errors with their positions, truncated to the limits. */
function errorText(error: ApiError): string {
	const errors = (error.details.errors as FieldError[] | undefined) ?? [];
	if (errors.length < 2) return error.message;
	const lines = errors.slice(0, MAX_ERRORS).map((error) => {
		const { path, message, suggestion } = error;
		return `${placeIn(error).replace(/^L/, "l")}${path ? `${path}: ` : ""}${message}${suggestion ? ` (${suggestion})` : ""}`;
	});
	return [`${errors.length} errors`, ...lines].join("\n");
}

/** The submission of a run of the same commit, with the trust of its discovery run. */
async function submissionOf(run: RunRow, { path }: RepositoryFile, pipeline: ResolvedPipeline): Promise<Submit> {
	return {
		runId: newId("run"),
		pipeline,
		definition: await sha256(definitionJson(pipeline)),
		project: run.project,
		trigger: { kind: run.trigger_kind, actor: run.trigger_actor, delivery: run.trigger_delivery },
		commit:
			run.commit_sha === null
				? null
				: { sha: run.commit_sha, message: run.commit_message, author: run.commit_author, branch: run.branch, tag: run.tag },
		origin: { discoveredBy: run.id, file: path, isTrusted: run.is_trusted === 1, approvedBy: run.approved_by },
		rerun: null,
		idempotency: null,
	};
}
