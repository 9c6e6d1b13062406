import { sleep } from "../sleep.ts";
import type { Cgroup } from "./cgroup.ts";
import {
	descendantsOf,
	findProcesses,
	hasVariable,
	livingGroups,
	markProcesses,
	type ProcessMark,
	processOf,
	sendSignal,
	startedSince,
} from "./host_processes.ts";

/**
 * Finds and ends all processes of an attempt. With control groups they cannot leave the attempt's
 * group, unless they may move to another one. Without them the agent knows them by their process
 * groups; processes that left those (setsid, a double fork) by an inherited variable; and processes
 * that cleared their environment by their working directory.
 *
 * The agent asks the control group first. It looks through the processes of the machine only when
 * the group is empty, and once after the last start: nothing starts by itself.
 */

/** The variable that every process of an attempt inherits. */
export const MARKER = "WINDLASS_ATTEMPT";

const LOOK_MS = 50;
const MAX_KILL_ROUNDS = 100;

/** The processes of one attempt. */
export class AttemptProcesses {
	readonly #attemptId: string;
	readonly #folder: string;
	readonly cgroup: Cgroup | null;
	/** The processes of the attempt have started since; null if they may be older. */
	readonly #mark: ProcessMark | null;
	/** Process groups that steps lead. */
	#groups: number[] = [];
	/** How many process groups were added. */
	#starts = 0;
	/** Whether all processes are known to have ended. */
	#areEnded = false;

	private constructor(attemptId: string, folder: string, cgroup: Cgroup | null, mark: ProcessMark | null) {
		this.#attemptId = attemptId;
		this.#folder = folder;
		this.cgroup = cgroup;
		this.#mark = mark;
	}

	/**
	 * The processes of an attempt that has not started any.
	 * @param folder the attempt's folder: every process that works in it belongs to the attempt
	 */
	static begin(attemptId: string, folder: string, cgroup: Cgroup | null): AttemptProcesses {
		return new AttemptProcesses(attemptId, folder, cgroup, markProcesses());
	}

	/** The processes that an earlier process of the agent left behind. */
	static left(attemptId: string, folder: string): AttemptProcesses {
		return new AttemptProcesses(attemptId, folder, null, null);
	}

	/** Adds a process that leads a group of its own. */
	add(leader: number): void {
		this.#groups.push(leader);
		this.#starts += 1;
		this.#areEnded = false;
	}

	/** The processes that are known without a look at all of the machine, at most so many: those of the control group, or of the steps. */
	knownPids(most: number): number[] {
		return this.cgroup?.pids.slice(0, most) ?? descendantsOf(this.#groups, most).slice(0, most);
	}

	/** Removes groups that have ended: their numbers may belong to another job by now. */
	forgetEnded(): void {
		const resident = this.#groups.filter((group) => group === this.#resident);
		this.#groups = [...resident, ...this.#living(this.#groups)];
	}

	/** Ends all of them: SIGTERM, the grace period, then SIGKILL until none is left. */
	async endAll(graceMs: number): Promise<void> {
		this.forgetEnded();
		await this.end(this.#groups, graceMs);
	}

	/** Ends these groups, and the attempt's processes that are in no group. */
	async end(groups: readonly number[], graceMs: number): Promise<void> {
		if (!(await this.#isAnyLeft(groups))) return;
		await this.#signal(groups, "SIGTERM");
		const until = performance.now() + graceMs;
		while (performance.now() < until) {
			if (!(await this.#isAnyLeft(groups))) return;
			await sleep(LOOK_MS);
		}
		for (let round = 0; round < MAX_KILL_ROUNDS && (await this.#isAnyLeft(groups)); round += 1) {
			const signalled = this.#signal(groups, "SIGKILL");
			this.cgroup?.kill();
			await signalled;
			await sleep(LOOK_MS);
		}
	}

	/**
	 * Ends the group of one leader, and the processes that were started with a variable: what else the
	 * attempt runs goes on.
	 */
	async endMarked(leader: number, mark: readonly [name: string, value: string], graceMs: number): Promise<void> {
		const living = () => {
			const pids = this.cgroup?.pids ?? startedSince(this.#mark).filter((pid) => hasVariable(pid, MARKER, this.#attemptId));
			const isOfStep = (pid: number) => processOf(pid)?.group === leader || hasVariable(pid, ...mark);
			return pids.filter((pid) => pid !== this.#resident && processOf(pid)?.isLiving && isOfStep(pid));
		};
		const signalAll = (pids: readonly number[], signal: NodeJS.Signals) => {
			sendSignal(-leader, signal);
			for (const pid of pids) if (processOf(pid)?.group !== leader) sendSignal(pid, signal);
		};
		signalAll(living(), "SIGTERM");
		const until = performance.now() + graceMs;
		for (let left = living(), rounds = 0; left.length > 0 && rounds < MAX_KILL_ROUNDS; left = living()) {
			if (performance.now() >= until) {
				signalAll(left, "SIGKILL");
				rounds += 1;
			}
			await sleep(LOOK_MS);
		}
	}

	async #signal(groups: readonly number[], signal: NodeJS.Signals): Promise<void> {
		for (const group of groups) sendSignal(-group, signal);
		const inCgroup = this.cgroup?.pids ?? [];
		const signalOne = (pid: number) => {
			// Processes of these groups have the signal already, and some programs give a second
			// one another meaning.
			if (!groups.includes(processOf(pid)?.group ?? 0)) sendSignal(pid, signal);
		};
		for (const pid of inCgroup) signalOne(pid);
		for (const pid of await this.#outside(inCgroup)) signalOne(pid);
	}

	async #isAnyLeft(groups: readonly number[]): Promise<boolean> {
		if (this.#areEnded) return false;
		const isLiving = (pid: number) => processOf(pid)?.isLiving === true;
		if (this.cgroup?.pids.some(isLiving) || this.#living(groups).length > 0) return true;
		const starts = this.#starts;
		const isLeft = (await this.#outside([])).some(isLiving);
		// A step may have started meanwhile. A group that is not asked for here may live.
		if (!isLeft && starts === this.#starts) this.#areEnded = this.#living(this.#groups).length === 0;
		return isLeft;
	}

	/**
	 * The groups that live. The group that the resident leads always does: its processes are found
	 * as those outside of groups are.
	 */
	#living(groups: readonly number[]): number[] {
		return livingGroups(
			groups.filter((group) => group !== this.#resident),
			this.#mark,
		);
	}

	/** The processes of the attempt outside its control group. */
	#outside(inCgroup: readonly number[]): Promise<number[]> {
		const resident = this.#resident;
		const pids = startedSince(this.#mark).filter((pid) => pid !== resident && !inCgroup.includes(pid));
		return findProcesses(pids, [MARKER, this.#attemptId], this.#folder, resident);
	}

	/** The process that starts steps in the control group. It leads their process group. */
	get #resident(): number | null {
		return this.cgroup?.resident ?? null;
	}
}
