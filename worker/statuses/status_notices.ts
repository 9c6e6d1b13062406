import { LRUCache } from "lru-cache";
import type { ProjectRow } from "../../schema/database/tables.ts";
import type { NotSent } from "../outbound/send.ts";
import { deleteNotices, putNotice } from "../projects/service.ts";
import { apiGuess, type Forge } from "../webhooks/service.ts";

/** Notices about rejected statuses: a renamed repository, or a wrong address of the API. */

const KIND = "statuses";
/** Projects without this notice, as far as this isolate knows. */
const clean = new LRUCache<string, true>({ max: 10_000 });

/** Stores a notice with the setting to correct, where a setting may be the cause. */
export async function putRejectionNotice(db: D1Database, project: ProjectRow, forge: Forge, error: NotSent): Promise<void> {
	const text = causeOf(project, forge, error);
	if (text === null) return;
	clean.delete(project.id);
	await putNotice(db, project.team, project.name, KIND, text);
}

/** Deletes the notice after the forge has accepted a status. */
export async function deleteRejectionNotice(db: D1Database, { id, team, name }: ProjectRow): Promise<void> {
	if (clean.has(id)) return;
	await deleteNotices(db, team, name, [KIND]);
	clean.set(id, true);
}

/**
 * Forges answer a renamed repository with a redirect (GitHub, Gitea), 404, or 405 (GitLab). Other
 * servers answer anything.
 */
function causeOf(project: ProjectRow, { api, repository }: Forge, { status, isFinal, message }: NotSent): string | null {
	const isMissing = status !== null && ((status >= 300 && status < 400) || status === 404 || status === 405);
	const guess = apiGuess(project);
	if (guess !== null && (isMissing || (status === null && !isFinal)))
		return `The API of the forge at ${api} does not accept commit statuses (${message}). The address is a guess from the SSH address of the repository. Correct it to send the undelivered statuses: windlass projects edit ${project.name} --forge-api https://…`;
	if (!isMissing) return null;
	return `The forge rejects commit statuses for the repository ${repository} (${message}). If the repository was renamed, correct the setting repository to send the undelivered statuses: windlass projects edit ${project.name} --repository <its new address>. If not, give the token (secret ${project.forge_token}) the right to write statuses.`;
}
