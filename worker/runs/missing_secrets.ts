import type { ResolvedPipeline } from "../../schema/pipeline/resolve/resolved.ts";
import type { Environment } from "../bindings.ts";
import { errorFields, log } from "../platform/logger.ts";
import { missingJobSecrets, missingSecretAdvice } from "../secrets/service.ts";

/** The secrets that jobs request and the project does not have. */
export async function missingSecretsOf(
	environment: Environment,
	team: string,
	pipeline: ResolvedPipeline,
	project: string,
): Promise<string[]> {
	const names = [...new Set(pipeline.jobs.flatMap(({ secrets }) => Object.values(secrets)))];
	return missingJobSecrets(environment.DB, team, project, names);
}

/**
 * Notices about secrets that jobs request and the project does not have: someone may still set them
 * before the jobs start.
 */
export async function missingSecretNotices(
	environment: Environment,
	team: string,
	pipeline: ResolvedPipeline,
	project: string,
): Promise<string[]> {
	// The run is accepted. A failed lookup is no error here: each job start looks up its secrets
	// again.
	const missing = await missingSecretsOf(environment, team, pipeline, project).catch((error) => {
		log("warn", "cannot look up the secrets of a run", errorFields(error));
		return [];
	});
	return noticesOf(missing, pipeline, project);
}

/** The notices about these missing secrets. */
export function noticesOf(missing: readonly string[], pipeline: ResolvedPipeline, project: string): string[] {
	return missing.map((name) => {
		const job = pipeline.jobs.find(({ secrets }) => Object.values(secrets).includes(name));
		return `Job ${job?.name} uses secret ${name}, which does not exist. ${missingSecretAdvice(name, project)}`;
	});
}
