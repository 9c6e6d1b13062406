import { ApiError } from "../../../../schema/wire/errors.ts";
import type { ListedRef } from "../../../../schema/wire/refs.ts";
import { type Core, command } from "../core.ts";
import type { FoundRef } from "../effects/effect_types.ts";
import { addEffect } from "../effects/effects.ts";
import { type AttemptRow, changeRow, findRun, type JobRow, type RunRow } from "../rows.ts";
import { acceptOnce, acceptRun, type Submit } from "../runs/submit.ts";
import { insertInto } from "../sql.ts";
import { compareSoon, findComparison, findUnfinished } from "./comparisons.ts";

/**
 * The known refs of projects: the last commit of each ref (`known_refs`), from a delivery or a
 * comparison. Delivered commits are kept for a while (`delivered_commits`). Thus a commit runs
 * once, whichever of the two comes first.
 */

/** A commit of a branch or a tag, and where it was seen. */
export interface DeliveredRef {
	project: string;
	ref: string;
	sha: string;
	/** The commit before; null for a new ref, or if it is unknown. */
	before: string | null;
	isCompared: boolean;
}

/**
 * How a delivery relates to the comparisons. `found`: a comparison has found this commit.
 * `out_of_order`: a comparison has found a newer commit of the ref, and this one does not follow
 * it.
 */
export type Standing = "new" | "found" | "out_of_order";

/** How late a delivery may come for a commit that a comparison has found. */
const HEARD_MS = 7 * 24 * 60 * 60_000;
const FOUND_AT_ONCE = 20;
/** Statements get rows as JSON, this many at a time. */
const ROWS_AT_ONCE = 1_000;
const MAX_SHOWN = 100;

/**
 * Accepts the run of a delivery. A commit that a comparison has found does not run again, and
 * neither do commits before it. A delivery out of order may still be the newest push. Then another
 * comparison finds its commit.
 * @returns the run of a new delivery, or the run of the comparison; null if there is none yet
 */
export function submitDelivered(
	core: Core,
	submit: Submit,
	delivered: DeliveredRef,
	checkRoom: () => void,
): { runId: string | null; standing: Standing } {
	const body = () => {
		const { standing, runId: found } = standingOf(core, delivered);
		if (standing === "out_of_order") compareSoon(core, delivered.project);
		if (standing !== "new") return { runId: found, standing };
		const { runId } = acceptOnce(core, submit, checkRoom);
		recordRef(core, delivered, runId);
		return { runId, standing };
	};
	return command(core, body, submit.trigger.actor);
}

/** Records a commit that starts no run, so that a comparison does not treat it as new. */
export function recordDelivered(core: Core, delivered: DeliveredRef): void {
	command(core, () => {
		const { standing } = standingOf(core, delivered);
		if (standing === "new") recordRef(core, delivered, null);
		else if (standing === "out_of_order") recordCommit(core, delivered, null);
	});
}

function standingOf(core: Core, { project, ref, sha, before, isCompared }: DeliveredRef): { standing: Standing; runId: string | null } {
	const isNew = { standing: "new", runId: null } as const;
	if (isCompared) return isNew;
	const [known] = core.sql.all<{ sha: string; tag_object: string | null; is_compared: number | null }>(
		"SELECT k.sha, k.tag_object, h.is_compared FROM known_refs AS k LEFT JOIN delivered_commits AS h USING (project, ref, sha) WHERE project = ? AND ref = ?",
		project,
		ref,
	);
	// A commit that follows the known one is new, even if the branch goes back to an old commit.
	if (known && before !== null && (before === known.sha || before === known.tag_object)) return isNew;
	const [same] = core.sql.all<{ is_compared: number; run_id: string | null }>(
		"SELECT is_compared, run_id FROM delivered_commits WHERE project = ? AND ref = ? AND sha = ?",
		project,
		ref,
		sha,
	);
	if (same?.is_compared === 1) return { standing: "found", runId: same.run_id };
	return known?.is_compared === 1 && before !== null ? { standing: "out_of_order", runId: null } : isNew;
}

function recordRef(core: Core, delivered: DeliveredRef, runId: string | null): void {
	recordCommit(core, delivered, runId);
	// The result of the comparison names the refs.
	if (delivered.isCompared) return;
	const { project, ref, sha } = delivered;
	core.sql.all(
		`INSERT INTO known_refs (project, ref, sha, at) VALUES (?, ?, ?, ?)
		ON CONFLICT (project, ref) DO UPDATE SET sha = excluded.sha, tag_object = NULL, at = excluded.at`,
		project,
		ref,
		sha,
		core.now(),
	);
}

function recordCommit(core: Core, { project, ref, sha, isCompared }: DeliveredRef, runId: string | null): void {
	const row = { project, ref, sha, is_compared: isCompared ? 1 : 0, run_id: runId, at: core.now() };
	core.sql.all(
		...insertInto(
			"delivered_commits",
			row,
			`ON CONFLICT (project, ref, sha) DO UPDATE
			SET is_compared = excluded.is_compared, run_id = coalesce(excluded.run_id, run_id), at = excluded.at`,
		),
	);
}

/**
 * Accepts the run of a comparison, unless one of the project runs already: then it returns that
 * one.
 * @throws ApiError `conflict` for a project without comparisons
 */
export function submitComparison(core: Core, submit: Submit, checkRoom: () => void): { runId: string; isReplay: boolean } {
	const body = () => {
		const row = findComparison(core, submit.project);
		if (!row) {
			throw new ApiError("conflict", `The refs of the project ${submit.project} are not compared.`, {
				suggestions: ["Save the settings of the project once more."],
			});
		}
		const present = findUnfinished(core, row);
		if (present !== null) return { runId: present, isReplay: true };
		checkRoom();
		acceptRun(core, submit);
		core.sql.all("UPDATE comparisons SET run_id = ? WHERE project = ?", submit.runId, submit.project);
		return { runId: submit.runId, isReplay: false };
	};
	return command(core, body, submit.trigger.actor);
}

interface KnownRef {
	ref: string;
	sha: string;
	at: number;
}

/**
 * Handles the refs that an agent has listed. The first list of a repository is only recorded, and
 * so is the list after an empty one. Later, each new or changed ref runs like a delivered one. Call
 * it inside the command that accepts the result.
 */
export function takeRefs(core: Core, job: JobRow, attempt: AttemptRow, listed: readonly ListedRef[]): void {
	const run = findRun(core, job.run_id) as RunRow;
	const row = run.kind === "comparison" ? findComparison(core, run.project) : undefined;
	if (!row || row.repository !== run.source_git) return;
	const { project } = row;
	const known = new Map(
		core.sql.all<KnownRef>("SELECT ref, sha, at FROM known_refs WHERE project = ?", project).map((one) => [one.ref, one] as const),
	);
	// A delivery after the start of the attempt is newer than the list of the agent.
	const isNewer = ({ at }: KnownRef) => at > attempt.started_at;
	const changed = listed.filter(({ ref, sha, tag_object }) => {
		const before = known.get(ref);
		return !before || !(before.sha === sha || before.sha === tag_object || isNewer(before));
	});
	const isLost = listed.length === 0 && known.size > 0;
	const found = row.is_recorded === 0 ? [] : changed.filter((one) => !isDelivered(core, project, one));
	const names = new Set(listed.map(({ ref }) => ref));
	deleteRefs(
		core,
		project,
		[...known.values()].filter((one) => !names.has(one.ref) && !isNewer(one)).map(({ ref }) => ref),
	);
	recordRefs(core, project, changed, attempt.started_at);
	const fresh = found.map(({ ref, sha }): FoundRef => ({ ref, sha, before: known.get(ref)?.sha ?? null }));
	// A late delivery may name the tag instead of its commit.
	for (const { ref, sha, tag_object } of found)
		for (const id of [sha, ...(tag_object === null ? [] : [tag_object])])
			recordRef(core, { project, ref, sha: id, before: null, isCompared: true }, null);
	for (let at = 0; at < fresh.length; at += FOUND_AT_ONCE)
		addEffect(core, `refs of ${project}`, {
			kind: "submit_found_refs",
			project,
			comparison: run.id,
			refs: fresh.slice(at, at + FOUND_AT_ONCE),
		});
	core.sql.all(
		"UPDATE comparisons SET is_recorded = ?, result_of = ?, compared_at = ?, found = ?, failures = 0, error = NULL WHERE project = ?",
		isLost ? 0 : 1,
		run.id,
		core.now(),
		fresh.length,
		project,
	);
	const shown = fresh.slice(0, MAX_SHOWN).map(({ ref, sha }) => [ref, `new at ${sha.slice(0, 12)}`]);
	changeRow(core, "jobs", job.id, { outputs: JSON.stringify(Object.fromEntries(shown)) });
}

function isDelivered(core: Core, project: string, { ref, sha, tag_object }: ListedRef): boolean {
	const known = core.sql.all(
		"SELECT 1 FROM delivered_commits WHERE project = ? AND ref = ? AND sha IN (?, ?) LIMIT 1",
		project,
		ref,
		sha,
		tag_object ?? sha,
	);
	return known.length > 0;
}

/** Deletes refs that no longer exist: a ref that returns is new. */
function deleteRefs(core: Core, project: string, refs: readonly string[]): void {
	for (let at = 0; at < refs.length; at += ROWS_AT_ONCE) {
		const names = JSON.stringify(refs.slice(at, at + ROWS_AT_ONCE));
		for (const table of ["known_refs", "delivered_commits"])
			core.sql.all(`DELETE FROM ${table} WHERE project = ? AND ref IN (SELECT value FROM json_each(?))`, project, names);
	}
}

function recordRefs(core: Core, project: string, refs: readonly ListedRef[], at: number): void {
	for (let from = 0; from < refs.length; from += ROWS_AT_ONCE) {
		core.sql.all(
			`INSERT INTO known_refs (project, ref, sha, tag_object, at)
			SELECT ?, value ->> 'ref', value ->> 'sha', value ->> 'tag_object', ? FROM json_each(?) WHERE true
			ON CONFLICT (project, ref) DO UPDATE SET sha = excluded.sha, tag_object = excluded.tag_object, at = excluded.at`,
			project,
			at,
			JSON.stringify(refs.slice(from, from + ROWS_AT_ONCE)),
		);
	}
}

/** Deletes old delivered commits. Call it inside a command. */
export function deleteOldCommits(core: Core): void {
	core.sql.all("DELETE FROM delivered_commits WHERE at < ?", core.now() - HEARD_MS);
}
