import type { Quotas } from "../../../schema/wire/quotas.ts";

/** A pause of the queue. */
export interface Pause {
	actor: string;
	reason: string | null;
	at: number;
}

/** Jobs that the same agents can take, in one order. */
export interface Partition {
	id: number;
	requirements: string;
	project: string;
	/** 0 for jobs of runs that come from a fork. */
	is_trusted: number;
	priority: number;
	/** The concurrency group of its jobs; empty if they have none. */
	group_key: string;
}

/**
 * What the queue remembers of its storage, so that it does not read it after every command. A hint
 * may say "perhaps" without cause, and never "no" without cause. So a new object begins with
 * "perhaps", a write sets "perhaps" at once, and only a read outside of a command sets "no".
 */
export class Hints {
	/** Whether a row may wait for D1. */
	mayBeDirty = true;
	/** Whether an effect of the class may wait. */
	readonly mayHaveEffects = { internal: true, external: true };
	/** Whether D1 may have rejected a row. */
	mayHaveDeadRows = true;
	/** The logs that the queue holds; null: not counted yet. */
	heldLogs: { count: number; bytes: number; since: number | null } | null = null;
	/** Attempts that have ended and whose log is not in its shard, since readers were woken. */
	readonly logsElsewhere = new Set<string>();
	/** How many jobs are queued, by partition; null: not counted yet. */
	queued: Map<number, number> | null = null;
	/** No timer is due before this time; null: no timer is set. */
	timersFrom: number | null = Number.NEGATIVE_INFINITY;
	/** Timers that are set for certain, by kind and id. */
	readonly startedTimers = new Set<string>();
	/** The warm agents of a project, with the time of their row, as far as they were read. */
	readonly warmAgents = new Map<string, Map<string, number>>();
	/** The pause of the queue; undefined: not known. */
	pause: Pause | null | undefined;
	/** The quotas of the team; undefined: not read yet. */
	quotas: Quotas | undefined;
	/** The agents for which there may be news. */
	readonly agentsWithNews = new Set<string>();
	/** The runs of which something has changed since the followers of runs were woken. */
	readonly changedRuns = new Set<string>();

	/** A timer is set to this time. */
	timerSet(dueAt: number): void {
		this.timersFrom = Math.min(this.timersFrom ?? dueAt, dueAt);
	}

	/** Timers were set to other times by a statement of its own: they have to be read. */
	timersMoved(): void {
		this.timersFrom = Number.NEGATIVE_INFINITY;
	}
}
