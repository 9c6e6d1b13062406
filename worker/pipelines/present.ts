import type { PipelineRow, PipelineVersionRow } from "../../schema/database/tables.ts";
import type { PipelineVersion, StoredPipeline } from "../../schema/wire/pipelines.ts";
import { isoTime } from "../record/iso_time.ts";

export function presentPipeline({ id, project, name, version, created_at, updated_at }: PipelineRow, baseUrl: string): StoredPipeline {
	return {
		id,
		project,
		name,
		version,
		url: `${baseUrl}/pipelines/${id}`,
		created_at: isoTime(created_at),
		updated_at: isoTime(updated_at),
	};
}

export function presentVersion({ number, sha256, size, restores, actor, created_at }: PipelineVersionRow): PipelineVersion {
	return { number, sha256, size, restores, actor, created_at: isoTime(created_at) };
}
