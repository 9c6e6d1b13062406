import { nearest } from "../../text/nearest_word.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { code, type ValidationError } from "./errors.ts";

/** More errors of needs come from one mistake. */
const MAX_ERRORS = 50;
/** A longer circle of jobs is shortened. */
const MAX_SHOWN_KEYS = 50;

/**
 * The errors of a graph of needs: unknown jobs, and each circle once; at most fifty.
 * @param needs job key → the keys of the jobs that it needs
 */
export function* checkNeeds(needs: ReadonlyMap<string, readonly string[]>): SlicedWork<ValidationError[]> {
	const known = [...needs.keys()];
	const errors: ValidationError[] = [];
	for (const [key, wanted] of needs) {
		for (const [index, name] of wanted.entries()) {
			if (needs.has(name)) continue;
			if (errors.length >= MAX_ERRORS) return errors;
			// Each known name may be compared.
			yield known.length * 10;
			const near = nearest(
				name,
				known.filter((other) => other !== key),
			);
			errors.push({
				path: ["jobs", key, "needs", String(index)],
				message: `Unknown job ${code(name)} in \`needs\` of job ${code(key)}.`,
				suggestion: near ? `Did you mean ${code(near)}?` : `The jobs are ${known.slice(0, 10).join(", ")}${known.length > 10 ? " …" : ""}.`,
			});
		}
	}
	for (const cycle of yield* findCycles(needs)) {
		errors.push({
			path: ["jobs", cycle[0] as string, "needs"],
			message: `Jobs need each other in a circle: ${wordsOf(cycle)}.`,
			suggestion: "Remove one of these needs.",
		});
	}
	return errors;
}

/**
 * Every cycle that a depth-first walk closes. Iterative: a chain may be as long as there are jobs.
 */
function* findCycles(needs: ReadonlyMap<string, readonly string[]>): SlicedWork<string[][]> {
	const done = new Set<string>();
	const cycles: string[][] = [];
	let steps = 0;
	for (const start of needs.keys()) {
		const path: string[] = [];
		const onPath = new Set<string>();
		const stack: { key: string; leaving: boolean }[] = [{ key: start, leaving: false }];
		while (stack.length > 0) {
			if (cycles.length >= MAX_ERRORS) return cycles;
			steps += 1;
			if (steps % 1_000 === 0) yield 500;
			const { key, leaving } = stack.pop() as { key: string; leaving: boolean };
			if (leaving) {
				path.pop();
				onPath.delete(key);
				done.add(key);
			} else if (onPath.has(key)) {
				const begin = path.indexOf(key);
				cycles.push(path.slice(begin));
				yield 10 + path.length / 10;
			} else if (!done.has(key)) {
				path.push(key);
				onPath.add(key);
				stack.push({ key, leaving: true });
				for (const name of needs.get(key) ?? []) if (needs.has(name)) stack.push({ key: name, leaving: false });
			}
		}
	}
	return cycles;
}

/** The jobs of a circle; of a large one the first and the last. */
function wordsOf(cycle: readonly string[]): string {
	const keys = cycle.length > MAX_SHOWN_KEYS ? [...cycle.slice(0, MAX_SHOWN_KEYS / 2), "…", ...cycle.slice(-MAX_SHOWN_KEYS / 2)] : cycle;
	return [...keys, cycle[0]].join(" → ");
}

/** All jobs that a job needs, directly or through others. */
export function ancestorsOf(key: string, needs: ReadonlyMap<string, readonly string[]>): Set<string> {
	const found = new Set<string>();
	const waiting = [...(needs.get(key) ?? [])];
	for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
		if (found.has(name)) continue;
		found.add(name);
		waiting.push(...(needs.get(name) ?? []));
	}
	return found;
}
