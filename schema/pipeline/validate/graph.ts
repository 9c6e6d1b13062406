import type { SlicedWork } from "../syntax/sliced_work.ts";
import { nearest } from "./suggest.ts";

interface GraphFault {
	path: string[];
	message: string;
	suggestion: string | null;
}

/** Who has more faults than this has one fault that is not in the list. */
const MAX_FAULTS = 50;
/** A circle of more jobs is shortened. */
const MAX_TOLD_KEYS = 50;

/**
 * The faults of a graph of needs: names that do not exist, and each cycle once; at most fifty.
 * @param needs job key → the keys of the jobs that it needs
 */
export function* checkNeeds(needs: ReadonlyMap<string, readonly string[]>): SlicedWork<GraphFault[]> {
	const known = [...needs.keys()];
	const faults: GraphFault[] = [];
	for (const [key, wanted] of needs) {
		for (const [index, name] of wanted.entries()) {
			if (needs.has(name)) continue;
			if (faults.length >= MAX_FAULTS) return faults;
			// Each of the names may be compared.
			yield known.length * 10;
			const near = nearest(
				name,
				known.filter((other) => other !== key),
			);
			faults.push({
				path: ["jobs", key, "needs", String(index)],
				message: `there is no job ${JSON.stringify(name)}`,
				suggestion: near
					? `did you mean ${JSON.stringify(near)}?`
					: `jobs here: ${known.slice(0, 10).join(", ")}${known.length > 10 ? " …" : ""}`,
			});
		}
	}
	for (const cycle of yield* findCycles(needs)) {
		faults.push({
			path: ["jobs", cycle[0] as string, "needs"],
			message: `jobs need each other in a circle: ${wordsOf(cycle)}`,
			suggestion: "remove one of these needs",
		});
	}
	return faults;
}

/** Every cycle that a depth-first walk closes. Iterative: a chain may be as long as there are jobs. */
function* findCycles(needs: ReadonlyMap<string, readonly string[]>): SlicedWork<string[][]> {
	const done = new Set<string>();
	const cycles: string[][] = [];
	let steps = 0;
	for (const start of needs.keys()) {
		const path: string[] = [];
		const onPath = new Set<string>();
		const stack: { key: string; leaving: boolean }[] = [{ key: start, leaving: false }];
		while (stack.length > 0) {
			if (cycles.length >= MAX_FAULTS) return cycles;
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

/** The jobs of a circle; of a large one those at which it begins and ends. */
function wordsOf(cycle: readonly string[]): string {
	const keys = cycle.length > MAX_TOLD_KEYS ? [...cycle.slice(0, MAX_TOLD_KEYS / 2), "…", ...cycle.slice(-MAX_TOLD_KEYS / 2)] : cycle;
	return [...keys, cycle[0]].join(" → ");
}

/** All jobs that a job needs, directly or by way of others. */
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
