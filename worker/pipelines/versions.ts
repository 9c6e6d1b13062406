import { ulid } from "ulid";
import type { PipelineRow, PipelineVersionRow } from "../../schema/database/tables.ts";
import { checkingStoredPipeline } from "../../schema/pipeline/parse/stored_pipeline.ts";
import { checkingPipelineWith } from "../../schema/pipeline/parse/submission.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { ID_PREFIXES } from "../../schema/wire/ids.ts";
import { MAX_PIPELINE_BYTES } from "../../schema/wire/limits.ts";
import type { Environment } from "../bindings.ts";
import { sha256 } from "../identity/digest.ts";
import { withTurn } from "../platform/turns.ts";
import { SUBMITTED, type Submit } from "../queue/core/runs/submit.ts";
import { findProject } from "../record/projects.ts";
import { requireSource } from "../sources/service.ts";
import { addPipeline, addVersion, deletePipelineRows, findVersion } from "./store.ts";

/**
 * Stored pipelines. A version never changes: R2 stores its text under its digest, byte for byte. A
 * change names the version that it replaces, and is rejected if there is a newer one.
 */

/** @throws ApiError as `checkingStoredPipeline` does, `conflict` if the name is taken */
export async function createPipeline(
	environment: Environment,
	{ team, project, name, actor }: { team: string; project: string; name: string; actor: string },
	text: string,
): Promise<PipelineRow> {
	assertLength(text);
	await withTurn(checkingStoredPipeline(text), text.length);
	const version = await storeText(environment, team, text);
	const id = `${ID_PREFIXES.pipeline}_${ulid()}`;
	const added = await addPipeline(environment.DB, { id, team, project, name }, { ...version, actor, restores: null });
	if (added) return added;
	throw new ApiError("conflict", `The project ${project} already has a pipeline ${name}.`, {
		suggestions: [`Run: windlass pipelines push <file> --name ${name} --project ${project}`],
	});
}

/** The error for a text over the limit of submissions. */
export function pipelineTooLarge(): ApiError {
	return new ApiError("too_large", `The pipeline has more than ${MAX_PIPELINE_BYTES} bytes.`, {
		details: { limit: MAX_PIPELINE_BYTES },
		suggestions: ["Split the pipeline, or move long scripts into files of the repository."],
	});
}

/** @throws ApiError `too_large` for a text over the limit of submissions */
function assertLength(text: string): void {
	if (text.length <= MAX_PIPELINE_BYTES && byteLength(text) <= MAX_PIPELINE_BYTES) return;
	throw pipelineTooLarge();
}

const byteLength = (text: string) => new TextEncoder().encode(text).byteLength;

/**
 * Adds a version with this text.
 * @throws ApiError as `checkingStoredPipeline` does, `conflict` if `before` is not the newest
 * version
 */
export async function changePipeline(
	environment: Environment,
	pipeline: PipelineRow,
	{ text, before, actor }: { text: string; before: number; actor: string },
): Promise<PipelineRow> {
	assertLength(text);
	await withTurn(checkingStoredPipeline(text), text.length);
	const version = await storeText(environment, pipeline.team, text);
	return added(pipeline, await addVersion(environment.DB, pipeline.id, before, { ...version, actor, restores: null }), before);
}

/** Adds a version with the text of an earlier one. @throws ApiError `not_found`, `conflict` */
export async function restoreVersion(environment: Environment, pipeline: PipelineRow, number: number, actor: string): Promise<PipelineRow> {
	const { sha256: digest, size, key } = await requireVersion(environment, pipeline, number);
	const restored = { sha256: digest, size, key, actor, restores: number };
	return added(pipeline, await addVersion(environment.DB, pipeline.id, pipeline.version, restored), pipeline.version);
}

function added(pipeline: PipelineRow, changed: PipelineRow | null, before: number): PipelineRow {
	if (changed) return changed;
	throw new ApiError("conflict", `Version ${before} is not the newest version of ${pipeline.name}.`, {
		details: { id: pipeline.id, version: pipeline.version },
		suggestions: [`Change the newest version instead: windlass pipelines show ${pipeline.project}/${pipeline.name}`],
	});
}

/** @throws ApiError `not_found` */
export async function requireVersion(environment: Environment, pipeline: PipelineRow, number: number): Promise<PipelineVersionRow> {
	const found = await findVersion(environment.DB, pipeline.id, number);
	if (found) return found;
	throw new ApiError("not_found", `The pipeline ${pipeline.name} has no version ${number}.`, {
		details: { id: pipeline.id, version: pipeline.version },
		suggestions: [`Its newest version is ${pipeline.version}.`],
	});
}

/** The text of a version, byte for byte. */
export async function readVersion(environment: Environment, { key }: PipelineVersionRow): Promise<string> {
	const object = await environment.BUCKET.get(key);
	if (!object) throw new Error(`the text of a pipeline version is missing in R2: ${key}`);
	// R2 object.text() drops a byte order mark.
	return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await object.arrayBuffer());
}

/** The text of the newest version. */
export async function readNewest(environment: Environment, pipeline: PipelineRow): Promise<string> {
	return readVersion(environment, await requireVersion(environment, pipeline, pipeline.version));
}

/** @returns false if the pipeline does not exist */
export async function deletePipeline(environment: Environment, { id }: PipelineRow): Promise<boolean> {
	const unused = await deletePipelineRows(environment.DB, id);
	if (unused && unused.length > 0) await environment.BUCKET.delete(unused);
	return unused !== null;
}

async function storeText(environment: Environment, team: string, text: string): Promise<{ sha256: string; size: number; key: string }> {
	const digest = await sha256(text);
	const key = `pipelines/${team}/${digest}`;
	await environment.BUCKET.put(key, text);
	return { sha256: digest, size: byteLength(text), key };
}

/**
 * The submission of the newest version.
 * @param fields the fields of a submission beside its pipeline
 * @throws ApiError as `checkingSubmission` and `requireSource` do
 */
export async function storedSubmission(
	environment: Environment,
	team: string,
	pipeline: PipelineRow,
	fields: Record<string, unknown>,
	by: { kind: "api" | "schedule"; actor: string; idempotency: Submit["idempotency"] },
): Promise<Submit> {
	const text = await readNewest(environment, pipeline);
	const project = await findProject(environment.DB, team, pipeline.project);
	const repository = project?.repository ? { address: project.repository, branch: project.default_branch } : null;
	const checked = await withTurn(checkingPipelineWith(text, { ...fields, project: pipeline.project }), text.length);
	const { pipeline: resolved } = await withTurn(checked.resolving({ repository, event: by.kind, name: pipeline.name }), text.length);
	await requireSource(environment, team, resolved.source);
	return {
		runId: `${ID_PREFIXES.run}_${ulid()}`,
		pipeline: resolved,
		definition: await sha256(JSON.stringify(resolved)),
		project: pipeline.project,
		trigger: { kind: by.kind, actor: by.actor, delivery: null },
		commit: null,
		origin: { ...SUBMITTED, file: `${pipeline.name}@${pipeline.version}` },
		rerun: null,
		idempotency: by.idempotency,
	};
}
