export { objectKeys, readArtifact } from "./objects.ts";
export { deleteUploads, uploadsBefore } from "./store.ts";
export { checkUploads, startUploads, storePart } from "./uploads.ts";

import type { ArtifactRow } from "../../schema/database/tables.ts";
import type { Artifact } from "../../schema/wire/resources.ts";
import type { Environment } from "../bindings.ts";
import { publicLink } from "../http/public_path.ts";
import { listArtifacts } from "../record/runs.ts";

/** The artifacts of a job, with the address of each. */
export async function presentArtifacts(environment: Environment, team: string, jobId: string, attemptId: string): Promise<Artifact[]> {
	const rows = filesOf(await listArtifacts(environment, team, attemptId));
	return rows.map((row) => present(jobId, row));
}

/** The files of a job; its summary and test cases are shown elsewhere. */
export function filesOf(rows: readonly ArtifactRow[]): ArtifactRow[] {
	return rows.filter(({ kind }) => kind === "file");
}

export function present(jobId: string, { path, size, sha256, is_executable, name, expires_at, expired_at }: ArtifactRow): Artifact {
	const at = (time: number | null) => (time === null ? null : new Date(time).toISOString());
	return {
		path,
		size,
		sha256,
		executable: is_executable === 1,
		url: artifactUrl(jobId, path),
		name,
		expires_at: at(expires_at),
		expired_at: at(expired_at),
	};
}

function artifactUrl(jobId: string, path: string): string {
	return publicLink(`/api/v1/jobs/${jobId}/artifacts/${path.split("/").map(encodeURIComponent).join("/")}`);
}
