import type { ProjectRow } from "../../schema/database/tables.ts";
import type { NotSent } from "../outbound/send.ts";
import { deleteNotices, putNotice } from "../projects/service.ts";
import { apiGuess, type Forge } from "../webhooks/service.ts";

/** Notices on projects whose forge rejects statuses as a renamed repository, or a wrong address of its API, makes it do. */

const KIND = "statuses";
/** Projects without this notice, as far as is known since the start. */
const clean = new Set<string>();
const MAX_CLEAN = 10_000;

/** Shows on the project which setting to correct, where a setting may be the cause. */
export async function putRejectionNotice(db: D1Database, project: ProjectRow, forge: Forge, error: NotSent): Promise<void> {
	const text = causeOf(project, forge, error);
	if (text === null) return;
	clean.delete(project.id);
	await putNotice(db, project.team, project.name, KIND, text);
}

/** Removes the notice: the forge has accepted a status. */
export async function deleteRejectionNotice(db: D1Database, { id, team, name }: ProjectRow): Promise<void> {
	if (clean.has(id)) return;
	await deleteNotices(db, team, name, [KIND]);
	if (clean.size >= MAX_CLEAN) clean.clear();
	clean.add(id);
}

/** Forges answer a renamed repository with a redirect (GitHub, Gitea), 404, or 405 (GitLab); what is no forge answers anything, or not at all. */
function causeOf(project: ProjectRow, { api, repository }: Forge, { status, isFinal, message }: NotSent): string | null {
	const isMissing = status !== null && ((status >= 300 && status < 400) || status === 404 || status === 405);
	const guess = apiGuess(project);
	if (guess !== null && (isMissing || (status === null && !isFinal)))
		return `Commit statuses are not accepted at ${api}, which is a guess, as the repository is read over SSH (${message}). Name the address of the forge's API, and what was not sent is sent: windlass projects edit ${project.name} --forge-api https://…`;
	if (!isMissing) return null;
	return `The forge has no repository ${repository} that takes commit statuses (${message}). If it was renamed, correct the setting repository, and what was not sent is sent: windlass projects edit ${project.name} --repository <its new address>. If not, the token (secret ${project.forge_token}) may not write statuses there.`;
}
