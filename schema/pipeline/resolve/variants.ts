import type { SlicedWork } from "../syntax/sliced_work.ts";
import type { Cell } from "./matrix.ts";
import { jobsMeant, type ResolveError } from "./resolve.ts";
import type { Reference, ResolvedJob } from "./resolved.ts";

/** What jobs say of each other's variants, once these are known. */

type Variants = ReadonlyMap<string, readonly ResolvedJob[]>;

/**
 * Needs and fetches that select a variant must select one that is there; and a variant whose files are fetched must be needed, directly or by way of others:
 * otherwise it may still run, and what is there of its files by then is not all of them.
 * @param paths job key → where the job stands in the pipeline
 * @param open where variants, or which of them are meant, are not known: nothing is said of these
 */
export function* checkReferences(
	jobs: readonly ResolvedJob[],
	paths: ReadonlyMap<string, string[]>,
	open: ReadonlySet<string>,
): SlicedWork<ResolveError[]> {
	const variants = Map.groupBy(jobs, ({ key }) => key);
	const references = jobs.reduce((sum, { needs }) => sum + needs.length, 0) + jobs.length;
	const isOpen = (path: string[]) => open.has([...path, "matrix"].join("."));
	const faults = new Map<string, ResolveError>();
	for (const [key, [first, ...others]] of variants) {
		const path = paths.get(key) ?? [];
		yield 20 + (first?.artifacts.fetch.length ? references : (first?.needs.length ?? 0));
		const needed = first?.artifacts.fetch.length ? downloadsFor(key, variants) : new Set<ResolvedJob>();
		const check = (reference: Reference, at: string[], describeError: () => ResolveError | null) => {
			if (isOpen(at) || isOpen(paths.get(reference.key) ?? [])) return;
			const fault = selectionFault(reference, at, variants) ?? describeError();
			// Many variants of a job have the same fault.
			if (fault) faults.set(JSON.stringify([fault.path, fault.message]), fault);
		};
		// What is needed is the same for all variants of a job; what is fetched may be selected by their values.
		for (const [index, need] of (first?.needs ?? []).entries()) check(need, [...path, "needs", String(index)], () => null);
		for (const { artifacts } of first ? [first, ...others] : []) {
			for (const [index, fetched] of artifacts.fetch.entries()) {
				yield (variants.get(fetched.key)?.length ?? 0) / 5;
				const at = [...path, "artifacts", "fetch", String(index)];
				check(fetched, at, () => raceFault(fetched, at, variants, needed));
			}
		}
	}
	return [...faults.values()];
}

/** The variants that a job needs, directly or by way of others. */
function downloadsFor(key: string, variants: Variants): Set<ResolvedJob> {
	const found = new Set<ResolvedJob>();
	const seen = new Set([key]);
	for (const one of seen) {
		for (const need of variants.get(one)?.[0]?.needs ?? []) {
			for (const job of jobsMeant(variants.get(need.key) ?? [], need)) found.add(job);
			seen.add(need.key);
		}
	}
	return found;
}

function selectionFault(reference: Reference, path: string[], variants: Variants): ResolveError | null {
	const known = variants.get(reference.key) ?? [];
	if (reference.matrix === null || known.length === 0 || jobsMeant(known, reference).length > 0) return null;
	return {
		path: [...path, "matrix"],
		message: `no variant of ${reference.key} has ${wordsOf(reference.matrix)}`,
		suggestion: `its variants: ${known
			.slice(0, 10)
			.map(({ matrix }) => wordsOf(matrix ?? {}))
			.join("; ")}`,
	};
}

function raceFault(fetched: Reference, path: string[], variants: Variants, needed: ReadonlySet<ResolvedJob>): ResolveError | null {
	const other = jobsMeant(variants.get(fetched.key) ?? [], fetched).find((job) => !needed.has(job));
	if (!other) return null;
	const variant = other.matrix ? `the variant ${wordsOf(other.matrix)} of ${other.key}` : other.key;
	return {
		path,
		message: `${variant} may still run: this job does not need it`,
		suggestion: "need it as well, or fetch from those alone that are needed: {job: …, matrix: {…}}",
	};
}

function wordsOf(cell: Cell): string {
	return Object.entries(cell)
		.map(([axis, value]) => `${axis}=${value}`)
		.join(", ");
}
