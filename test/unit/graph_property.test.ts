import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { LeaseClaims } from "../../worker/queue/core/leases/attempts.ts";
import { Queue } from "../support/queue.ts";

/**
 * Graphs at random, their jobs ended one after the other in a random order and way. At every moment each job must be where the rules put
 * it, said once more here as they are read: what a job is follows from what its needs are, and from nothing else. What agents, retries,
 * cancels and groups add to that is the simulation's.
 */

const ENDS = ["succeeded", "failed", "errored", "timed_out"] as const;
type End = (typeof ENDS)[number];
type State = End | "blocked" | "running" | "skipped";

const CONDITIONS = [
	null,
	null,
	null,
	"success()",
	"failure()",
	"always()",
	"1 > 2",
	"matrix.v != '1'",
	"always() && matrix.v != '2'",
] as const;

interface Shape {
	variants: number;
	mayFail: boolean;
	condition: (typeof CONDITIONS)[number];
	/** Which of the jobs before it are needed: a number for each, 0 for none, 1 for all of its variants, 2 for the first of them. */
	needs: number[];
}

const shape: fc.Arbitrary<Shape> = fc.record({
	variants: fc.integer({ min: 1, max: 3 }),
	mayFail: fc.boolean(),
	condition: fc.constantFrom(...CONDITIONS),
	needs: fc.array(fc.nat(2), { minLength: 8, maxLength: 8 }),
});

/** A variant of a job, as the naive model sees it. */
interface Node extends Pick<Shape, "mayFail" | "condition"> {
	name: string;
	variant: number;
	needs: Node[];
	/** How it was ended. */
	end: End | null;
}

/** Every job as text, and as nodes. */
function graphOf(shapes: readonly Shape[]): { text: string; nodes: Node[] } {
	const made: Node[][] = [];
	const jobs = shapes.map((one, index) => {
		const wanted = one.needs.slice(0, index);
		const needs = wanted.flatMap((how, other) => (how === 0 ? [] : (made[other] ?? []).slice(0, how === 2 ? 1 : undefined)));
		made.push(
			Array.from({ length: one.variants }, (_, at) => ({
				...one,
				name: `j${index} (${at + 1})`,
				variant: at + 1,
				needs,
				end: null,
			})),
		);
		const needTexts = wanted.flatMap((how, other) =>
			how === 0 ? [] : [how === 1 ? `j${other}` : { job: `j${other}`, matrix: { v: "1" } }],
		);
		const values = Array.from({ length: one.variants }, (_, at) => String(at + 1));
		const condition = one.condition === null ? {} : { if: one.condition };
		return [`j${index}`, { needs: needTexts, matrix: { v: values }, allow_failure: one.mayFail, ...condition, steps: ["x"] }] as const;
	});
	return { text: JSON.stringify({ jobs: Object.fromEntries(jobs) }), nodes: made.flat() };
}

/** Where each job is, by the rules; what is needed stands before what needs it. */
function statesOf(nodes: readonly Node[]): Map<Node, State> {
	const states = new Map<Node, State>();
	for (const node of nodes) states.set(node, stateOf(node, states));
	return states;
}

function stateOf(node: Node, states: ReadonlyMap<Node, State>): State {
	const isOver = (one: Node) => states.get(one) !== "blocked" && states.get(one) !== "running";
	const hasRun = (one: Node) => ENDS.includes(states.get(one) as End);
	const isGood = (one: Node) => states.get(one) === "succeeded" || (one.mayFail && hasRun(one));
	const isFailure = (one: Node) => hasRun(one) && !isGood(one);
	const begun = node.end ?? "running";
	const after = (ancestors: readonly Node[], isTrue: () => boolean): State => {
		if (!ancestors.every(isOver)) return "blocked";
		return isTrue() ? begun : "skipped";
	};
	switch (node.condition) {
		case "1 > 2":
			return "skipped";
		case "matrix.v != '1'":
			if (node.variant === 1) return "skipped";
			break;
		case "success()":
			return after(ancestorsOf(node), () => node.needs.every(isGood));
		case "failure()":
			return after(ancestorsOf(node), () => ancestorsOf(node).some(isFailure));
		case "always()":
			return after(ancestorsOf(node), () => true);
		case "always() && matrix.v != '2'":
			return after(ancestorsOf(node), () => node.variant !== 2);
	}
	if (node.needs.some((need) => isOver(need) && !isGood(need))) return "skipped";
	return after(node.needs, () => true);
}

/** What a job needs, directly or by way of others. */
function ancestorsOf(node: Node): Node[] {
	const found = new Set<Node>();
	const look = ({ needs }: Node) => {
		for (const need of needs) {
			if (found.has(need)) continue;
			found.add(need);
			look(need);
		}
	};
	look(node);
	return [...found];
}

function runStateOf(states: ReadonlyMap<Node, State>): string {
	const outcomes = [...states].map(([node, state]) => (node.mayFail && ENDS.includes(state as End) ? "succeeded" : state));
	if (outcomes.includes("running") || outcomes.includes("blocked")) return "running";
	return (["failed", "timed_out", "errored", "succeeded"] as const).find((state) => outcomes.includes(state)) ?? "skipped";
}

test("every job is where the rules put it, whatever the graph and however its jobs end", () => {
	const input = fc.record({
		shapes: fc.array(shape, { minLength: 1, maxLength: 8 }),
		picks: fc.array(fc.record({ which: fc.nat(23), how: fc.constantFrom("succeeded", ...ENDS) }), { minLength: 24, maxLength: 24 }),
	});
	fc.assert(
		fc.property(input, ({ shapes, picks }) => {
			const { text, nodes } = graphOf(shapes);
			const queue = new Queue();
			const agent = queue.agent("any", { slots: 100 });
			const runId = queue.submit(text);
			const leases = new Map<string, LeaseClaims>();
			for (const { which, how } of picks) {
				for (const offer of queue.poll(agent, 100)) leases.set(offer.job_id, queue.start(offer));
				const jobs = queue.jobs(runId);
				const states = statesOf(nodes);
				expect(Object.fromEntries(jobs.map(({ name, state }) => [name, state]))).toEqual(
					Object.fromEntries([...states].map(([{ name }, state]) => [name, state])),
				);
				expect(queue.run(runId).state).toBe(runStateOf(states));
				const running = nodes.filter((node) => states.get(node) === "running");
				const node = running[which % running.length];
				if (!node) return;
				const job = jobs.find(({ name }) => name === node.name);
				const reason = how === "succeeded" ? null : { code: "step_failed", text: "It failed." };
				queue.finish(leases.get(job?.id ?? "") as LeaseClaims, { state: how, exit_code: null, reason });
				node.end = how;
			}
		}),
		{ seed: 20_260_101, numRuns: 200 },
	);
}, 60_000);
