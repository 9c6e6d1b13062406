import type { ProjectRow } from "../../schema/database/tables.ts";
import type { Trigger } from "../../schema/wire/triggers.ts";
import { addressNamed, mayBeCalled } from "./forge.ts";

/** What somebody should correct, as the newest deliveries of a project show. It is gone once newer deliveries show that it is corrected. */

/** What one of the newest deliveries to a project was about. */
export interface DeliveredOf {
	repository: string | null;
	received_at: number;
	kind: Trigger["kind"] | null;
	branch: string | null;
	sha: string | null;
	/** Of a pull request its number, what happened to it, and whether it is a fork's (1). */
	number: number | null;
	event: string | null;
	is_from_fork: number | null;
}

/** So many deliveries in a row about one other repository are no accident. */
const DELIVERIES_OF_ANOTHER = 3;
/** Forges send the push and the update of a pull request together, in either order. */
const UPDATE_MS = 2 * 60_000;

/** @param heard newest first */
export function noticesOfDeliveries(
	project: Pick<ProjectRow, "name" | "repository" | "forge_api">,
	heard: readonly DeliveredOf[],
	now: number,
): string[] {
	const renamed = renamedTo(project, heard);
	const own = heard.filter(({ repository }) => repository === null || mayBeCalled(project, repository));
	return [...(renamed === null ? [] : [renamed]), ...missedUpdates(own, now)];
}

function renamedTo(project: Pick<ProjectRow, "name" | "repository" | "forge_api">, heard: readonly DeliveredOf[]): string | null {
	const names = heard.flatMap(({ repository }) => repository ?? []).slice(0, DELIVERIES_OF_ANOTHER);
	const [name] = names;
	if (name === undefined || names.length < DELIVERIES_OF_ANOTHER || mayBeCalled(project, name)) return null;
	const isSame = (other: string | null) => other?.toLowerCase() === name.toLowerCase();
	if (!names.every(isSame)) return null;
	// The webhook of a whole organization sends both: a repository that is renamed has only its old name before.
	const newestOwn = heard.findIndex(({ repository }) => repository !== null && mayBeCalled(project, repository));
	if (newestOwn >= 0 && heard.slice(newestOwn).some(({ repository }) => isSame(repository))) return null;
	const address = addressNamed(project, name);
	const correction = `windlass projects edit ${project.name} --repository ${address === null ? "<its new address>" : `'${address}'`}`;
	return `The newest ${DELIVERIES_OF_ANOTHER} deliveries are about the repository ${name.slice(0, 200)}, and the project's is ${project.repository}. If it was renamed: ${correction}`;
}

/** Pushes to the branches of open pull requests of which no update of the pull request came. */
function missedUpdates(heard: readonly DeliveredOf[], now: number): string[] {
	const newestPush = new Map<string, DeliveredOf>();
	const newestOfPull = new Map<number, DeliveredOf>();
	for (const one of heard) {
		if (one.kind === "push" && one.branch !== null && !newestPush.has(one.branch)) newestPush.set(one.branch, one);
		if (one.kind === "pull_request" && one.number !== null && !newestOfPull.has(one.number)) newestOfPull.set(one.number, one);
	}
	for (const [number, { branch, sha, event, is_from_fork, received_at }] of newestOfPull) {
		const push = event === "closed" || is_from_fork === 1 ? undefined : newestPush.get(branch ?? "");
		if (!push || push.sha === sha || push.received_at < received_at || now - push.received_at < UPDATE_MS) continue;
		return [
			`The forge sent the push to the branch ${branch}, but no update of pull request #${number}. Enable every event of pull requests in the forge's webhook (in Gitea and Forgejo also "Pull Request Synchronized").`,
		];
	}
	return [];
}
