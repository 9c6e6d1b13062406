import type { Job, Run } from "../../schema/wire/resources.ts";
import type { Environment } from "../bindings.ts";
import type { RunRecord } from "../record/runs.ts";
import { testsOfRun } from "../test_results/service.ts";

/** Two runs side by side. */

/** A value that both runs have, or one of them. */
interface Compared {
	name: string;
	before: string | null;
	now: string | null;
}

export interface RunComparison {
	/** Parameters, commit and other inputs that differ. */
	inputs: Compared[];
	/** The jobs of both runs, by name. */
	jobs: { name: string; before: Job | null; now: Job | null }[];
	/** Failed tests, by name: those of one run only. */
	newlyFailed: string[];
	fixed: string[];
}

const TESTS_COMPARED = 500;

/** Compares a run with an earlier one. */
export async function compareRuns(
	environment: Environment,
	before: { run: Run; record: RunRecord },
	now: { run: Run; record: RunRecord },
): Promise<RunComparison> {
	const [failedBefore, failedNow] = await Promise.all([failedTests(environment, before.record), failedTests(environment, now.record)]);
	return {
		inputs: inputsOf(before.run, now.run, before.record.run.definition === now.record.run.definition),
		jobs: jobsOf(before.run.jobs, now.run.jobs),
		newlyFailed: [...failedNow].filter((name) => !failedBefore.has(name)),
		fixed: [...failedBefore].filter((name) => !failedNow.has(name)),
	};
}

async function failedTests(environment: Environment, record: RunRecord): Promise<Set<string>> {
	if (!record.attempts.some(({ tests }) => tests !== null)) return new Set();
	const { items } = await testsOfRun(environment, record, { state: "failed", from: 0, count: TESTS_COMPARED });
	return new Set(items.map(({ job, suite, name }) => [job, suite, name].filter(Boolean).join(" › ")));
}

function inputsOf(before: Run, now: Run, isSamePipeline: boolean): Compared[] {
	const names = [...new Set([...Object.keys(before.params), ...Object.keys(now.params)])];
	const text = (value: unknown) => (value === undefined ? null : String(value));
	const all: Compared[] = [
		{ name: "commit", before: commitOf(before), now: commitOf(now) },
		{ name: "branch", before: before.branch ?? before.tag, now: now.branch ?? now.tag },
		{ name: "event", before: before.trigger.kind, now: now.trigger.kind },
		{ name: "pipeline", before: "an earlier version", now: isSamePipeline ? "an earlier version" : "changed" },
		...names.map((name) => ({ name: `parameter ${name}`, before: text(before.params[name]), now: text(now.params[name]) })),
	];
	return all.filter((one) => one.before !== one.now);
}

function commitOf({ commit }: Run): string | null {
	return commit && `${commit.sha.slice(0, 8)} ${commit.message.split("\n")[0]}`;
}

function jobsOf(before: readonly Job[], now: readonly Job[]): RunComparison["jobs"] {
	const names = [...new Set([...now, ...before].map(({ name }) => name))];
	const [byNameBefore, byNameNow] = [before, now].map((jobs) => new Map(jobs.map((job) => [job.name, job])));
	return names.map((name) => ({ name, before: byNameBefore?.get(name) ?? null, now: byNameNow?.get(name) ?? null }));
}
