import type { Offering } from "../../schema/pipeline/validate/requirements.ts";
import type { Assignment } from "../../schema/wire/protocol.ts";
import type { AgentCaches } from "../caches/agent_caches.ts";
import type { SpoolBudget } from "../log/spool_budget.ts";
import type { Cgroup } from "../processes/cgroup.ts";
import type { Starter } from "../processes/starter.ts";
import type { FileCoordinator } from "../transport/client.ts";
import type { RegistryCredentials } from "./containers/registries.ts";
import type { ContainerLimits } from "./containers/run_options.ts";

/** Everything that the agent gives to a job. */
export interface JobContext {
	assignment: Assignment;
	/** The folder of the attempt. */
	folder: string;
	/** The folder of the `windlass` command. */
	commands: string;
	/** The agent's variables that the job inherits. */
	environment: Record<string, string>;
	/** The agent's variables that git inherits for the checkout. */
	checkoutEnvironment: Record<string, string>;
	/** The agent's variables that a job in a container inherits. */
	containerEnvironment: Record<string, string>;
	/** The folder of the agent's mirrors. */
	mirrors: string;
	caches: AgentCaches;
	/** The control group of the attempt; null if this agent has no control groups. */
	cgroup: Cgroup | null;
	/** A shell in the control group that starts steps; null without one. */
	starter: Starter | null;
	/** Gives the control group back, once nothing of the job runs. */
	leaveCgroup: () => Promise<void>;
	client: FileCoordinator;
	token: string;
	killGraceMs: number;
	budget: SpoolBudget;
	maxLogBytes: number;
	/** The clock for steps and log lines, in milliseconds since the epoch. */
	now: () => number;
	/** The labels and capabilities of this machine at this moment. */
	offering: () => Promise<Offering>;
	/** The label of all containers of this agent. */
	containerLabel: string;
	containerLimits: ContainerLimits;
	registryCredentials: Readonly<Record<string, RegistryCredentials>>;
}

export type GitSource = Extract<NonNullable<Assignment["source"]>, { git: string }>;

/** One step of the pipeline. */
export type AssignedStep = Assignment["steps"][number];

type Filled<Value> = Value extends { template: string }
	? string
	: Value extends object
		? { [Key in keyof Value]: Filled<Value[Key]> }
		: Value;
/** A step with all of its texts filled in. */
export type FilledStep = Filled<AssignedStep>;
export type FilledBuild = NonNullable<FilledStep["build"]>;
