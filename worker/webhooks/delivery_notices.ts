import type { ProjectRow } from "../../schema/database/tables.ts";
import type { Trigger } from "../../schema/wire/triggers.ts";
import { addressNamed, mayBeCalled } from "./forge.ts";

/**
 * Notices about a webhook or repository setting, from the newest deliveries of a project. A notice
 * ends once newer deliveries show that the setting is correct.
 */

/** The repository, ref and pull request of one of the newest deliveries. */
export interface DeliveredOf {
	repository: string | null;
	received_at: number;
	kind: Trigger["kind"] | null;
	branch: string | null;
	sha: string | null;
	/** The number of the pull request, its event, and 1 if it comes from a fork. */
	number: number | null;
	event: string | null;
	is_from_fork: number | null;
}

/** So many deliveries in a row about one other repository mean that the repository was renamed. */
const DELIVERIES_OF_ANOTHER = 3;
/** Forges send the push and the update of a pull request close together, in either order. */
const UPDATE_MS = 2 * 60_000;

/** @param deliveries newest first */
export function noticesOfDeliveries(
	project: Pick<ProjectRow, "name" | "repository" | "forge_api">,
	deliveries: readonly DeliveredOf[],
	now: number,
): string[] {
	const renamed = renamedTo(project, deliveries);
	const own = deliveries.filter(({ repository }) => repository === null || mayBeCalled(project, repository));
	return [...(renamed === null ? [] : [renamed]), ...missedUpdates(own, now)];
}

function renamedTo(project: Pick<ProjectRow, "name" | "repository" | "forge_api">, deliveries: readonly DeliveredOf[]): string | null {
	const names = deliveries.flatMap(({ repository }) => repository ?? []).slice(0, DELIVERIES_OF_ANOTHER);
	const [name] = names;
	if (name === undefined || names.length < DELIVERIES_OF_ANOTHER || mayBeCalled(project, name)) return null;
	const isSame = (other: string | null) => other?.toLowerCase() === name.toLowerCase();
	if (!names.every(isSame)) return null;
	// The webhook of an organization sends deliveries of many repositories. Only a rename ends the
	// deliveries under the old name.
	const newestOfProject = deliveries.findIndex(({ repository }) => repository !== null && mayBeCalled(project, repository));
	if (newestOfProject >= 0 && deliveries.slice(newestOfProject).some(({ repository }) => isSame(repository))) return null;
	const address = addressNamed(project, name);
	const correction = `windlass projects edit ${project.name} --repository ${address === null ? "<its new address>" : `'${address}'`}`;
	return `The newest ${DELIVERIES_OF_ANOTHER} deliveries name the repository ${name.slice(0, 200)}; the project has ${project.repository}. If the repository was renamed, run: ${correction}`;
}

/** A notice about pushes to an open pull request for which the forge sent no pull request event. */
function missedUpdates(deliveries: readonly DeliveredOf[], now: number): string[] {
	const newestPush = new Map<string, DeliveredOf>();
	const newestOfPull = new Map<number, DeliveredOf>();
	for (const one of deliveries) {
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
