import { nearest } from "./suggest.ts";

interface GraphFault {
	path: string[];
	message: string;
	suggestion: string | null;
}

/** Who has more faults than this has one fault that is not in the list. */
const MAX_FAULTS = 50;

/**
 * The faults of a graph of needs: names that do not exist, and each cycle once; at most fifty.
 * @param needs job key → the keys of the jobs that it needs
 */
export function checkNeeds(needs: ReadonlyMap<string, readonly string[]>): GraphFault[] {
	const known = [...needs.keys()];
	const faults: GraphFault[] = [];
	for (const [key, wanted] of needs) {
		for (const [index, name] of wanted.entries()) {
			if (needs.has(name)) continue;
			if (faults.length >= MAX_FAULTS) return faults;
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
	for (const cycle of findCycles(needs)) {
		faults.push({
			path: ["jobs", cycle[0] as string, "needs"],
			message: `jobs need each other in a circle: ${[...cycle, cycle[0]].join(" → ")}`,
			suggestion: "remove one of these needs",
		});
	}
	return faults;
}

/** Every cycle that a depth-first walk closes. Iterative: a chain may be as long as there are jobs. */
function findCycles(needs: ReadonlyMap<string, readonly string[]>): string[][] {
	const done = new Set<string>();
	const cycles: string[][] = [];
	for (const start of needs.keys()) {
		const path: string[] = [];
		const onPath = new Set<string>();
		const stack: { key: string; leaving: boolean }[] = [{ key: start, leaving: false }];
		while (stack.length > 0) {
			const { key, leaving } = stack.pop() as { key: string; leaving: boolean };
			if (leaving) {
				path.pop();
				onPath.delete(key);
				done.add(key);
			} else if (onPath.has(key)) {
				cycles.push(path.slice(path.indexOf(key)));
			} else if (!done.has(key)) {
				path.push(key);
				onPath.add(key);
				stack.push({ key, leaving: true });
				for (const name of needs.get(key) ?? []) if (needs.has(name)) stack.push({ key: name, leaving: false });
			}
		}
	}
	return cycles.slice(0, MAX_FAULTS);
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
