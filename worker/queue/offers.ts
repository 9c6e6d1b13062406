import type { Poll } from "../../schema/wire/protocol.ts";
import type { PollResult } from "../bindings.ts";
import { type Result, resultOf } from "../platform/result.ts";
import { SHORT_HOLD_MS } from "../platform/settings.ts";
import { Waiters } from "../platform/waiters.ts";
import type { Core } from "./core/core.ts";
import { type CheckedResult, describeOffer } from "./core/leases/attempts.ts";
import { assignWaiting } from "./core/leases/offers.ts";
import { type AnsweredResult, hasNews, leasesLeft, newsFor, recordPoll, requestsTo } from "./core/leases/polls.ts";
import { quotasOf } from "./core/quotas.ts";
import { liveAttemptsOfAgent } from "./core/rows.ts";
import { sweep } from "./core/sweep.ts";
import type { LogWatchers } from "./log_watchers.ts";
import type { PlannedStop } from "./planned_stop.ts";

/**
 * The long polls of the agents: assigns jobs to waiting agents, and answers a poll once there is
 * news for it.
 */
export class AgentPolls {
	readonly #core: Core;
	readonly #watchers: LogWatchers;
	readonly #stop: PlannedStop;
	readonly #polls = new Waiters();
	/**
	 * Agent → the requests in its newest answer. An agent that ignores one gets it again at the end
	 * of a poll, not at once.
	 */
	readonly #sentRequests = new Map<string, string>();
	/** Agent → the number of its newest poll: only that one is answered with news. */
	readonly #newest = new Map<string, number>();
	/** The agent whose poll has just come, and waits from a moment later on. */
	#arriving: string | null = null;

	constructor(core: Core, watchers: LogWatchers, stop: PlannedStop) {
		this.#core = core;
		this.#watchers = watchers;
		this.#stop = stop;
	}

	/**
	 * Answers as soon as there is news for the agent, or without news at the end of the hold time.
	 * @param settle called once the poll is recorded
	 */
	async poll(
		agentId: string,
		secretHash: string,
		poll: Omit<Poll, "results">,
		checked: readonly CheckedResult[],
		holdMs: number,
		settle: () => void,
	): Promise<Result<PollResult>> {
		const recorded = resultOf(() => {
			sweep(this.#core);
			return recordPoll(this.#core, agentId, secretHash, poll, checked);
		});
		if (!recorded.ok) return recorded;
		const results = recorded.value.results.map(presentResult);
		if (!recorded.value.isNewest) {
			settle();
			return { ok: true, value: { ...this.#nothing(agentId), results } };
		}
		const arrivedAt = this.#core.now();
		this.#polls.wake(agentId);
		this.#newest.set(agentId, poll.seq);
		this.#arriving = agentId;
		settle();
		this.#arriving = null;
		if (results.length === 0 && !this.#hasNews(agentId) && !this.#hasNewRequests(agentId)) {
			const holdsLeases = liveAttemptsOfAgent(this.#core, agentId).length > 0;
			await this.#polls.wait(agentId, holdsLeases ? Math.min(holdMs, SHORT_HOLD_MS) : holdMs);
		}
		return resultOf(() => {
			if (this.#newest.get(agentId) !== poll.seq) return { ...this.#nothing(agentId), results };
			return { ...this.#answer(agentId, poll.seq), results, heldMs: Math.max(0, this.#core.now() - arrivedAt) };
		});
	}

	/** The answer to a poll that a newer one has replaced. */
	#nothing(agentId: string): Omit<PollResult, "results"> {
		const watch = this.#watchers.watchedOf(agentId);
		return { offers: [], cancel: [], watch, renewed: [], drain: false, rotate: false, heldMs: 0, logQuota: quotasOf(this.#core).log_bytes };
	}

	/** Offers jobs to waiting agents, and wakes the polls with news. */
	assignAndWake(): void {
		const waiting = this.#polls.newestFirst();
		assignWaiting(this.#core, this.#arriving === null ? waiting : [this.#arriving, ...waiting.filter((id) => id !== this.#arriving)]);
		for (const agentId of this.#agentsToCheck()) if (this.#polls.has(agentId) && this.#hasNews(agentId)) this.#polls.wake(agentId);
	}

	/** Wakes the poll of an agent after a person has changed a request to it. */
	sendRequestsAgain(agentId: string): void {
		this.#sentRequests.delete(agentId);
		if (this.#hasNewRequests(agentId)) this.#polls.wake(agentId);
	}

	/** Answers the poll of an agent whose session has begun or ended. */
	wake(agentId: string): void {
		this.#polls.wake(agentId);
	}

	/**
	 * Deletes what is known of the agent's process: a new one has begun, or the agent is removed.
	 */
	evict(agentId: string): void {
		this.#polls.wake(agentId);
		this.#watchers.evict(agentId);
		this.#sentRequests.delete(agentId);
		this.#newest.delete(agentId);
	}

	/** The agents with possible news: to check each of a thousand waiting polls would take long. */
	#agentsToCheck(): Iterable<string> {
		if (this.#stop.isPlanned) return this.#polls.newestFirst();
		const { agentsWithNews } = this.#core.hints;
		const agents = new Set([...agentsWithNews, ...this.#watchers.agents()]);
		agentsWithNews.clear();
		return agents;
	}

	#hasNews(agentId: string): boolean {
		if (this.#stop.mustNotify(agentId)) return true;
		return hasNews(this.#core, agentId, this.#newest.get(agentId) ?? 0) || this.#watchers.hasChanged(agentId);
	}

	/** Whether the agent's process has not received a request yet. */
	#hasNewRequests(agentId: string): boolean {
		const requests = requestsTo(this.#core, agentId);
		return (requests.drain || requests.rotate) && this.#sentRequests.get(agentId) !== JSON.stringify(requests);
	}

	#answer(agentId: string, seq: number): Omit<PollResult, "heldMs" | "results"> {
		const { session, drain, rotate } = requestsTo(this.#core, agentId);
		if (drain || rotate) this.#sentRequests.set(agentId, JSON.stringify({ session, drain, rotate }));
		const watch = this.#watchers.watchedOf(agentId);
		this.#watchers.recordSent(agentId, watch);
		const renewed = this.#stop.isPlanned ? leasesLeft(this.#core, agentId) : [];
		if (this.#stop.isPlanned) this.#stop.recordNotified(agentId);
		const { offers, cancel } = newsFor(this.#core, agentId, seq);
		const described = offers.map((offer) => ({ offer, started: offer.is_assigned === 1 ? describeOffer(this.#core, offer) : null }));
		const logQuota = quotasOf(this.#core).log_bytes;
		return { logQuota, offers: described, cancel, watch, renewed, drain, rotate };
	}
}

function presentResult(answered: AnsweredResult): PollResult["results"][number] {
	const { attemptId } = answered;
	if ("state" in answered) return { attemptId, state: answered.state, error: null };
	const { code, message, suggestions, headers } = answered.error;
	return { attemptId, state: null, error: { code, message, suggestions, headers } };
}
