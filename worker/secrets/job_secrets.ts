import { FORGE_TOKEN } from "../../schema/wire/secrets.ts";
import type { Environment } from "../bindings.ts";
import { findTrustedProject } from "../record/projects.ts";
import { missingSecrets, readSecrets } from "./vault.ts";

/** The secrets that jobs name. The name `forge` means the project's own token for its forge. */

/** The values of secrets for a job of this project, by the names that the job uses; without missing ones. */
export async function readJobSecrets(
	environment: Environment,
	team: string,
	project: string,
	names: readonly string[],
): Promise<Map<string, string>> {
	const stored = await storedNames(environment.DB, team, project, names);
	const values = await readSecrets(environment, team, project, [...stored.values()]);
	return new Map(
		[...stored].flatMap(([name, place]) => {
			const value = values.get(place);
			return value === undefined ? [] : [[name, value]];
		}),
	);
}

/** The names without a secret that a job of this project can use. */
export async function missingJobSecrets(db: D1Database, team: string, project: string, names: readonly string[]): Promise<string[]> {
	const stored = await storedNames(db, team, project, names);
	const missing = new Set(await missingSecrets(db, team, project, [...stored.values()]));
	return names.filter((name) => {
		const place = stored.get(name);
		return place === undefined || missing.has(place);
	});
}

/**
 * The names that the secrets are stored under; without `forge` where the project has no such token,
 * and without the private key of its App, which is worth more than any job needs.
 */
async function storedNames(db: D1Database, team: string, project: string, names: readonly string[]): Promise<Map<string, string>> {
	if (names.length === 0) return new Map();
	const { forge_token: token = null, forge_app: app = null } = (await findTrustedProject(db, team, project)) ?? {};
	return new Map(
		names.flatMap((name): [string, string][] => {
			const stored = name === FORGE_TOKEN ? token : name;
			const isKey = app !== null && name === token;
			return stored === null || isKey ? [] : [[name, stored]];
		}),
	);
}

/** What to do about a missing secret. */
export function missingSecretAdvice(name: string, project: string): string {
	return name === FORGE_TOKEN
		? `Name the secret with the token of its forge: windlass projects edit ${project} --forge-token NAME`
		: `Set it with: windlass secrets set ${name} --project ${project}`;
}
