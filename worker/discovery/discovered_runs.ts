import type { RunRow } from "../../schema/database/tables.ts";
import {
	nameOfFile,
	type RepositoryFile,
	type RepositoryPipeline,
	readingRepositoryFile,
} from "../../schema/pipeline/parse/repository_file.ts";
import type { Discovery } from "../../schema/pipeline/resolve/resolved.ts";
import { type ResolvedPipeline, withDefaults } from "../../schema/pipeline/resolve/resolved.ts";
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

/** The discovery job whose result this is, and the run that it belongs to. */
export interface DiscoveryOfRun {
	discovery: Discovery;
	run: RunRow;
}

const MAX_TOLD = 20;
const MAX_TOLD_CHARACTERS = 2000;

/** What is to be run of the files that an agent has read. What is wrong with one keeps none of the others from it. */
export async function discoveredRuns({ discovery, run }: DiscoveryOfRun, { files, changed }: DiscoveryResult): Promise<Discovered> {
	const { trigger } = discovery;
	const skipped = whySkipped(trigger, run.commit_message);
	if (files.length === 0)
		return { files: [await nothingFound(discovery, run, skipped)], schedules: discovery.is_of_default_branch ? [] : null };
	const places = discovery.work.config === null ? usualFolders(files.map(({ path }) => path)) : [];
	if (skipped === null && places.length > 1) {
		const file = { path: CONFIG_FILE, text: "" };
		return {
			files: [await broken(run, file, nameOfFile(file.path), `There is both ${places.join(" and ")}: keep one of them.`)],
			schedules: null,
		};
	}
	const discovered: DiscoveredFile[] = [];
	let isSound = true;
	const schedules: FileSchedule[] = [];
	const names = new Map<string, string>();
	let bytes = 0;
	for (const file of files) {
		let name = nameOfFile(file.path);
		try {
			const occasion = {
				trigger,
				changed,
				project: run.project,
				repository: { address: run.source_git ?? "", branch: "" },
				params: discovery.params,
				isNamed: discovery.file !== null,
			};
			const read = await withTurn(readingRepositoryFile(file, occasion), file.text.length);
			const { schedules: asked, wanted } = read;
			name = read.name;
			if ("error" in wanted) throw wanted.error;
			schedules.push(...asked.map((one) => scheduleOf(file, one)));
			const other = names.get(name);
			if (other !== undefined)
				throw new ApiError("validation_failed", `The pipeline of ${other} is called ${name}, too: give one of them another name.`);
			names.set(name, file.path);
			if (skipped !== null) discovered.push({ file: file.path, because: skipped });
			else if ("because" in wanted) discovered.push({ file: file.path, because: wanted.because });
			else {
				bytes += JSON.stringify(wanted.submission.pipeline).length;
				if (bytes > MAX_DISCOVERED_BYTES)
					throw new ApiError("validation_failed", `The pipelines of this repository have more than ${MAX_DISCOVERED_BYTES} bytes in all.`);
				discovered.push({ file: file.path, submit: await submissionOf(run, file, wanted.submission.pipeline), error: null });
			}
		} catch (error) {
			// That the coordinator is busy says nothing of the file: the result is sent again.
			if (!(error instanceof ApiError) || error.code === "unavailable") throw error;
			isSound = false;
			discovered.push(skipped !== null ? { file: file.path, because: skipped } : await broken(run, file, name, faultsOf(error)));
		}
	}
	// Of a commit that asks for nothing to be run nobody would see that what it says of schedules is broken.
	const isHeeded = discovery.is_of_default_branch && (isSound || skipped === null);
	const keepsEarlier = trigger.pull_request?.event === "ready_for_review" && discovered.every((one) => "because" in one);
	return { files: discovered, schedules: isHeeded ? schedules : null, keepsEarlier };
}

/** Nothing is to be run; but somebody, or a schedule, that has named the very file means it to be there, and so may the project. */
async function nothingFound(discovery: Discovery, run: RunRow, skipped: string | null): Promise<DiscoveredFile> {
	if (discovery.file !== null)
		return broken(run, { path: discovery.file, text: "" }, nameOfFile(discovery.file), "There is no such file at this commit.");
	const because = `there is ${missing(discovery)} at this commit`;
	if (!discovery.requires_pipeline || skipped !== null || isClosed(discovery)) return { file: "*", because };
	const path = discovery.work.config ?? CONFIG_FILE;
	return {
		...(await broken(run, { path, text: "" }, nameOfFile(path), `This project requires a pipeline, and ${because}.`)),
		state: "failed",
	};
}

/** A pull request that was closed needs no pipeline. */
function isClosed({ trigger }: Discovery): boolean {
	return trigger.pull_request?.event === "closed";
}

/** What was looked for and is not there. */
function missing({ work }: Discovery): string {
	return work.config === null ? `no ${CONFIG_FILE} and no ${CONFIG_FOLDER}/*.yml` : `nothing at ${work.config}`;
}

/** What a project should know of what was found at one of its own commits; null: that a notice of this kind, if it has one, is out of date. */
export function discoveryNotices(
	{ discovery, run }: DiscoveryOfRun,
	{ files, is_default_branch_missing }: DiscoveryResult,
): Record<string, string | null> {
	const { trigger, file } = discovery;
	if (run.is_trusted !== 1) return {};
	const edit = `windlass projects edit ${run.project}`;
	const at = `${trigger.tag === null ? `branch ${trigger.branch}` : `tag ${trigger.tag}`} at ${(run.commit_sha ?? "").slice(0, 12)}`;
	const isEmpty = files.length === 0 && file === null;
	const isAsked = isEmpty && !isClosed(discovery) && whySkipped(trigger, run.commit_message) === null;
	const { default_branch: renamed } = trigger;
	// People copy the command, and whoever may push may call a branch what a shell would run.
	const safe = renamed !== undefined && /^\w[\w./-]*$/.test(renamed) ? renamed : "<its name>";
	return {
		...(isAsked || files.length > 0
			? {
					no_pipeline: isAsked
						? `Nothing was run for the ${at}: there is ${missing(discovery)}. Add a pipeline, or name the place where it is: ${edit} --config <path>`
						: null,
				}
			: {}),
		...(renamed === undefined
			? {}
			: {
					default_branch: is_default_branch_missing
						? `The repository has no branch ${discovery.work.default_branch}; its default branch is ${renamed}. Schedules, badges and runs without a branch follow the setting default_branch: ${edit} --default-branch ${safe}`
						: null,
				}),
	};
}

type Asked = RepositoryPipeline["schedules"][number];

function scheduleOf({ path: file }: RepositoryFile, { cron, timezone = "UTC", branch, params = {} }: Asked): FileSchedule {
	return { file, cron, timezone, branch: branch ?? null, params };
}

/** A run that is over before it begins, and says why. */
async function broken(run: RunRow, file: RepositoryFile, name: string, text: string): Promise<DiscoveredFile & { error: Reason }> {
	const error: Reason = { code: "config_invalid", text: `${file.path}: ${text}`.slice(0, MAX_TOLD_CHARACTERS) };
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

/** Every error with its place, as far as there is room. */
function faultsOf(error: ApiError): string {
	const faults = (error.details.errors as FieldError[] | undefined) ?? [];
	if (faults.length < 2) return error.message;
	const lines = faults.slice(0, MAX_TOLD).map(({ line, column, path, message, suggestion }) => {
		const place = line === null ? "" : `line ${line}, column ${column}: `;
		return `${place}${path ? `${path}: ` : ""}${message}${suggestion ? ` (${suggestion})` : ""}`;
	});
	return [`${faults.length} faults`, ...lines].join("\n");
}

/** A run of the same commit, with the same trust as the discovery job that has found it. */
async function submissionOf(run: RunRow, { path }: RepositoryFile, pipeline: ResolvedPipeline): Promise<Submit> {
	return {
		runId: newId("run"),
		pipeline,
		definition: await sha256(JSON.stringify(pipeline)),
		project: run.project,
		trigger: { kind: run.trigger_kind, actor: run.trigger_actor, delivery: run.trigger_delivery },
		commit:
			run.commit_sha === null
				? null
				: { sha: run.commit_sha, message: run.commit_message, author: run.commit_author, branch: run.branch, tag: run.tag },
		origin: { discoveredBy: run.id, file: path, isTrusted: run.is_trusted === 1, approvedBy: null },
		rerun: null,
		idempotency: null,
	};
}
