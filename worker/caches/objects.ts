import type { RemovedCache } from "../../schema/wire/caches.ts";
import type { Environment } from "../bindings.ts";
import { deleteObjects } from "../platform/delete_objects.ts";
import { type RemovableCache, type RemovedObject, removeEntries } from "./removals.ts";

/** The contents of caches in R2: one object for each part. */

/** The beginning of the keys of all parts. */
export const CACHE_PREFIX = "caches/";

/** The key of a part. @param number from 1 on */
export function partKey(team: string, objectId: string, number: number): string {
	return `${CACHE_PREFIX}${team}/${objectId}/${number}`;
}

/** The id in the key of a part. */
export function objectIdIn(key: string): string {
	return key.split("/").at(-2) ?? "";
}

/** Removes caches with the contents that no other one shares. @param why null if somebody asked for it */
export async function removeCaches(
	environment: Environment,
	removed: readonly RemovableCache[],
	why: RemovedCache["why"] | null,
): Promise<void> {
	const contents = await removeEntries(environment.DB, removed, why, Date.now());
	await deleteParts(environment, contents);
}

/** Removes the content that another one has replaced. */
export async function removeReplaced(environment: Environment, replaced: RemovedObject | null): Promise<void> {
	if (replaced) await deleteParts(environment, [replaced]);
}

async function deleteParts({ BUCKET }: Environment, contents: readonly RemovedObject[]): Promise<void> {
	await deleteObjects(
		BUCKET,
		contents.flatMap(({ id, team, parts }) => parts.map((_, index) => partKey(team, id, index + 1))),
	);
}
