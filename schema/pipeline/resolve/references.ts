import type { SlicedWork } from "../syntax/sliced_work.ts";
import type { ValidationError } from "../validate/errors.ts";
import { agrees, type Cell } from "../validate/matrix.ts";
import type { Reference, ResolvedJob } from "./resolved.ts";

/** References of jobs to the matrix jobs of others, checked once the matrices are expanded. */

type MatrixJobs = ReadonlyMap<string, readonly ResolvedJob[]>;

/** The jobs of a reference: all matrix jobs, or those with the values. */
export function jobsMeant<Job extends { key: string; matrix: Cell | null }>(jobs: readonly Job[], { key, matrix }: Reference): Job[] {
	return jobs.filter((job) => job.key === key && agrees(job.matrix, matrix ?? {}));
}

/**
 * A need or a fetch that selects matrix jobs must select at least one. A matrix job whose files are
 * fetched must be needed, directly or through others: otherwise it may still run, and its files are
 * incomplete.
 * @param paths job key → the path of the job in the pipeline
 * @param open paths at which the matrix jobs, or the selection, are not known: these references are
 * not checked
 */
export function* checkReferences(
	jobs: readonly ResolvedJob[],
	paths: ReadonlyMap<string, string[]>,
	open: ReadonlySet<string>,
): SlicedWork<ValidationError[]> {
	const matrixJobs = Map.groupBy(jobs, ({ key }) => key);
	const references = jobs.reduce((sum, { needs }) => sum + needs.length, 0) + jobs.length;
	const isOpen = (path: string[]) => open.has([...path, "matrix"].join("."));
	const errors = new Map<string, ValidationError>();
	for (const [key, [first, ...others]] of matrixJobs) {
		const path = paths.get(key) ?? [];
		yield 20 + (first?.artifacts.fetch.length ? references : (first?.needs.length ?? 0));
		const needed = first?.artifacts.fetch.length ? allNeeded(key, matrixJobs) : new Set<ResolvedJob>();
		const check = (reference: Reference, at: string[], describeError: () => ValidationError | null) => {
			if (isOpen(at) || isOpen(paths.get(reference.key) ?? [])) return;
			const error = selectionError(reference, at, matrixJobs) ?? describeError();
			// Many matrix jobs have the same error.
			if (error) errors.set(JSON.stringify([error.path, error.message]), error);
		};
		// All matrix jobs of a job have the same needs; their fetches may be selected by their
		// values.
		for (const [index, need] of (first?.needs ?? []).entries()) check(need, [...path, "needs", String(index)], () => null);
		for (const { artifacts } of first ? [first, ...others] : []) {
			for (const [index, fetched] of artifacts.fetch.entries()) {
				yield (matrixJobs.get(fetched.key)?.length ?? 0) / 5;
				const at = [...path, "artifacts", "fetch", String(index)];
				check(fetched, at, () => raceError(fetched, at, matrixJobs, needed));
			}
		}
	}
	return [...errors.values()];
}

/** The matrix jobs that a job needs, directly or through others. */
function allNeeded(key: string, matrixJobs: MatrixJobs): Set<ResolvedJob> {
	const found = new Set<ResolvedJob>();
	const seen = new Set([key]);
	for (const one of seen) {
		for (const need of matrixJobs.get(one)?.[0]?.needs ?? []) {
			for (const job of jobsMeant(matrixJobs.get(need.key) ?? [], need)) found.add(job);
			seen.add(need.key);
		}
	}
	return found;
}

function selectionError(reference: Reference, path: string[], matrixJobs: MatrixJobs): ValidationError | null {
	const known = matrixJobs.get(reference.key) ?? [];
	if (reference.matrix === null || known.length === 0 || jobsMeant(known, reference).length > 0) return null;
	const listed = known.slice(0, 10).map(({ matrix }) => wordsOf(matrix ?? {}));
	return {
		path: [...path, "matrix"],
		message: `No matrix job of \`${reference.key}\` has ${wordsOf(reference.matrix)}.`,
		suggestion: `Its matrix jobs have ${listed.join("; ")}.`,
	};
}

function raceError(fetched: Reference, path: string[], matrixJobs: MatrixJobs, needed: ReadonlySet<ResolvedJob>): ValidationError | null {
	const other = jobsMeant(matrixJobs.get(fetched.key) ?? [], fetched).find((job) => !needed.has(job));
	if (!other) return null;
	const name = other.matrix ? `Matrix job ${wordsOf(other.matrix)} of \`${other.key}\`` : `Job \`${other.key}\``;
	return {
		path,
		message: `${name} may still run when its files are fetched: this job does not need it.`,
		suggestion: "Add it to `needs`, or fetch only from needed matrix jobs: { job: …, matrix: { … } }.",
	};
}

function wordsOf(cell: Cell): string {
	return Object.entries(cell)
		.map(([axis, value]) => `${axis}=${value}`)
		.join(", ");
}
