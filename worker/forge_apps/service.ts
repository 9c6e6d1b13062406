export { deleteExpiredTokens, revokeTokenOfAttempt } from "./job_tokens.ts";

import { LRUCache } from "lru-cache";
import type { ProjectRow } from "../../schema/database/tables.ts";
import type { Environment } from "../bindings.ts";
import { sha256 } from "../identity/digest.ts";
import { NotSent } from "../outbound/send.ts";
import { forgeOf } from "../webhooks/service.ts";
import { createInstallationToken, type Installation, type InstallationToken } from "./installation_tokens.ts";
import { tokenOfAttempt } from "./job_tokens.ts";

/**
 * The token of a project for its forge. The secret that `forge_token` names holds the token itself;
 * with `forge_app` it holds the key of a GitHub App, which creates tokens for an hour.
 */

type ForgeSettings = Pick<ProjectRow, "team" | "name" | "forge" | "forge_api" | "forge_app" | "repository">;

/** A token that ends sooner is not used again. */
const LEAST_LEFT_MS = 5 * 60_000;

/** The tokens of the coordinator itself, by installation. */
const own = new LRUCache<string, InstallationToken>({ max: 500 });

/**
 * The token that the coordinator itself uses.
 * @param secret the value of the secret that `forge_token` names
 * @throws NotSent
 */
export async function coordinatorToken(project: ForgeSettings, secret: string): Promise<string> {
	const installation = installationOf(project, secret);
	if (installation === null) return secret.trim();
	const key = await keyOf(project, installation);
	const known = own.get(key);
	if (known && known.expiresAt - Date.now() > LEAST_LEFT_MS) return known.token;
	const made = await createInstallationToken(installation);
	own.set(key, made);
	return made.token;
}

/** Forgets the coordinator's token of a project, which the forge has rejected. */
export async function forgetCoordinatorToken(project: ForgeSettings, secret: string): Promise<void> {
	const installation = installationOf(project, secret);
	if (installation) own.delete(await keyOf(project, installation));
}

/**
 * The token that an attempt gets.
 * @param secret the value of the secret that `forge_token` names
 * @throws NotSent
 */
export async function attemptToken(environment: Environment, project: ForgeSettings, attemptId: string, secret: string): Promise<string> {
	const installation = installationOf(project, secret);
	return installation === null ? secret : tokenOfAttempt(environment, project.team, attemptId, installation);
}

/** The App of a project and its repository; null for a project without an App. */
function installationOf(project: ForgeSettings, privateKey: string): Installation | null {
	if (project.forge_app === null) return null;
	const forge = forgeOf(project);
	if (typeof forge === "string") throw new NotSent(`No token of the GitHub App can be created: ${forge}`, { isFinal: true });
	return { app: project.forge_app, privateKey, api: forge.api, repository: forge.repository };
}

/** Only who has the private key gets the token that it has made. */
async function keyOf({ team }: ForgeSettings, { app, api, repository, privateKey }: Installation): Promise<string> {
	return JSON.stringify([team, app, api, repository, await sha256(privateKey)]);
}
