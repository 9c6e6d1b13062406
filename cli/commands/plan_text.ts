import type { PlannedRun } from "../../schema/wire/resources.ts";
import { counted, paint } from "../terminal.ts";

/** What a run would do, for the terminal. */

type PlannedJob = PlannedRun["jobs"][number];

const MARKS: Readonly<Record<PlannedJob["outlook"], string>> = {
	starts: paint("green", "●"),
	waits: paint("yellow", "○"),
	skipped: paint("gray", "⊘"),
	errored: paint("red", "✗"),
};

/** Jobs with their conditions and agents, then why each agent fits or not, then what is missing. */
export function planText(plan: PlannedRun): string {
	const lines = [`${paint("bold", plan.pipeline)}: ${counted(plan.jobs.length, "job")}. Nothing was submitted.`, ""];
	for (const job of plan.jobs) lines.push(...jobLines(plan, job));
	for (const { wanted, agents, fitting } of plan.requirements) {
		lines.push("", paint("bold", wanted.length === 0 ? "any agent" : wanted.join(", ")));
		for (const { name, fits, reason } of agents) lines.push(`  ${paint(fits ? "green" : "gray", name)} ${reason}`);
		if (agents.length === 0) lines.push("  no agent is registered");
		else if (fitting === 0) lines.push(`  ${paint("yellow", "no agent fits")}`);
	}
	if (plan.notices.length > 0) lines.push("", ...plan.notices.map((notice) => `${paint("yellow", "notice")}: ${notice}`));
	return lines.join("\n");
}

function jobLines(plan: PlannedRun, job: PlannedJob): string[] {
	const { name, outlook, needs, condition, reason, requirements } = job;
	const when = {
		starts: "starts at once",
		waits: `waits for ${needs.join(", ")}`,
		skipped: `is skipped: ${reason}`,
		errored: `ends with an error: ${reason}`,
	}[outlook];
	const fitting = requirements === null ? null : (plan.requirements[requirements]?.fitting ?? 0);
	const further = [
		job.waits_for_approval && "waits for an approval",
		job.is_expanded_later && "its matrix is made of an output",
		outlook === "waits" && condition !== null && `if: ${condition}`,
		outlook !== "skipped" && fitting !== null && `${counted(fitting, "agent")} can take it`,
	].filter((one) => one !== false);
	const missing = job.missing_secrets.map((secret) => `    ${paint("red", `the secret ${secret} is missing`)}`);
	return [`${MARKS[outlook]} ${paint("bold", name)} ${when}`, ...further.map((one) => `    ${one}`), ...missing];
}

/** The graph of jobs: a block for each level of needs. Matrix jobs share a line. */
export function graphText(plan: PlannedRun): string {
	const jobs = [...Map.groupBy(plan.jobs, ({ key }) => key)];
	const keyOf = new Map(plan.jobs.map(({ name, key }) => [name, key]));
	const needsOf = new Map(
		jobs.map(([key, members]) => [key, [...new Set(members.flatMap(({ needs }) => needs.map((name) => keyOf.get(name) ?? name)))]]),
	);
	const levels = new Map<string, number>();
	// Jobs may need jobs that the file has later: as many rounds as there are levels.
	for (let isOpen = true; isOpen; ) {
		isOpen = false;
		for (const [key, needs] of needsOf) {
			const level = Math.max(0, ...needs.map((need) => (levels.get(need) ?? 0) + 1));
			if (levels.get(key) === level) continue;
			levels.set(key, level);
			isOpen = true;
		}
	}
	const lines = [...Map.groupBy(jobs, ([key]) => levels.get(key) ?? 0)]
		.sort(([a], [b]) => a - b)
		.flatMap(([level, members]) => members.map((member, index) => graphLine(index === 0 ? String(level + 1) : "", member, needsOf)));
	return lines.join("\n");
}

function graphLine(
	label: string,
	[key, members]: readonly [string, readonly PlannedJob[]],
	needsOf: ReadonlyMap<string, readonly string[]>,
): string {
	const [first] = members;
	const name = members.length === 1 ? (first?.name ?? key) : `${key} ×${members.length}`;
	const needs = needsOf.get(key) ?? [];
	const skipped = members.filter(({ outlook }) => outlook === "skipped").length;
	const mark = MARKS[members.find(({ outlook }) => outlook !== "skipped")?.outlook ?? "skipped"];
	const parts = [
		`${label.padStart(3)}  ${mark} ${paint("bold", name)}`,
		needs.length > 0 && paint("gray", `← ${needs.join(", ")}`),
		first?.is_expanded_later && paint("gray", "its matrix is made of an output"),
		skipped > 0 && paint("gray", members.length === 1 ? `skipped: ${first?.reason}` : `${skipped} skipped`),
		first?.waits_for_approval && paint("gray", "waits for an approval"),
	];
	return parts.filter(Boolean).join("  ");
}
