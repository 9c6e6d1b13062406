import type { DiscoveryWork } from "../../schema/wire/discovery.ts";
import { isHttp } from "../../schema/wire/git.ts";
import type { Environment } from "../bindings.ts";
import type { Started } from "../queue/core/leases/attempts.ts";
import { includableProjects } from "../record/projects.ts";
import { readSecrets } from "../secrets/service.ts";

/**
 * The projects whose files a discovery job may include. The author of a fork must not read a
 * private repository that way, so its job gets no credentials.
 */
export async function includableBy(
	environment: Environment,
	team: string,
	{ project, is_trusted }: Started["run"],
): Promise<DiscoveryWork["projects"]> {
	const rows = await includableProjects(environment.DB, team, project);
	return Promise.all(
		rows.map(async ({ name, repository, default_branch, credentials }) => {
			const isAsked = is_trusted === 1 && credentials !== null && isHttp(repository ?? "");
			const values = isAsked ? await readSecrets(environment, team, name, [credentials]) : null;
			return { name, repository: repository ?? "", default_branch, credentials: values?.get(credentials ?? "") ?? null };
		}),
	);
}
