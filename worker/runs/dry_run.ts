import { API_EVENT } from "../../schema/pipeline/expressions/scope.ts";
import { runFacts } from "../../schema/pipeline/resolve/run_facts.ts";
import { type PlannedJob, planJobs } from "../../schema/pipeline/runtime/plan.ts";
import { describeRequirements } from "../../schema/pipeline/validate/requirements.ts";
import { resolvedRequirements } from "../../schema/wire/requirements.ts";
import type { PlannedRun } from "../../schema/wire/resources.ts";
import type { Environment } from "../bindings.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { missingSecretsOf, noticesOf } from "./missing_secrets.ts";
import type { ResolvedSubmission } from "./resolved_texts.ts";

type Outlook = PlannedRun["jobs"][number]["outlook"];
const OUTLOOKS: Readonly<Record<PlannedJob["decision"]["is"], Outlook>> = {
	ready: "starts",
	waiting: "waits",
	skipped: "skipped",
	broken: "errored",
};

/** What a submission would do: its jobs, the agents for them, and what is missing. Stores nothing. */
export async function dryRun(environment: Environment, team: string, { pipeline, project }: ResolvedSubmission): Promise<PlannedRun> {
	const planned = planJobs(pipeline, runFacts(pipeline, project, API_EVENT));
	const wanted = pipeline.jobs.map(({ name, runs_on }) => ({ name, runs_on: JSON.stringify(runs_on) }));
	const [{ byRequirements, notices }, missing] = await Promise.all([
		dispatcherOf(environment, team).candidatesFor(project, wanted),
		missingSecretsOf(environment, team, pipeline, project),
	]);
	const positions = new Map(byRequirements.map(({ runs_on }, position) => [runs_on, position]));
	return {
		project,
		pipeline: pipeline.name,
		jobs: planned.map((one) => ({
			...present(one),
			requirements: positions.get(JSON.stringify(one.job.runs_on)) ?? null,
			missing_secrets: Object.values(one.job.secrets).filter((name) => missing.includes(name)),
		})),
		requirements: byRequirements.map(({ runs_on, agents, fitting }) => ({
			wanted: describeRequirements(resolvedRequirements.parse(JSON.parse(runs_on))),
			fitting,
			agents,
		})),
		notices: [...notices, ...noticesOf(missing, pipeline, project)],
	};
}

function present({ job, needs, decision }: PlannedJob) {
	return {
		key: job.key,
		name: job.name,
		matrix: job.matrix,
		needs: needs.map(({ name }) => name),
		condition: job.condition,
		outlook: OUTLOOKS[decision.is],
		reason: "reason" in decision ? decision.reason.text : null,
		is_expanded_later: job.expansion !== null,
		waits_for_approval: job.approval !== null,
	};
}
