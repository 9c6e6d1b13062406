import { renewAnswer } from "../../schema/wire/protocol.ts";
import { log } from "../logger.ts";
import { sleep } from "../sleep.ts";
import type { Coordinator } from "../transport/client.ts";
import { Unreachable } from "../transport/retry.ts";
import type { AgentSession } from "./agent_session.ts";
import type { CoordinatorClock } from "./coordinator_clock.ts";
import type { RunningAttempts } from "./running_attempts.ts";

/** The interval before the coordinator has sent its own. */
const RENEW_MS = 10_000;

export interface LeaseRenewalParts {
	/** It has connections of its own, so that no renewal waits behind a log or a file. */
	client: Coordinator;
	session: AgentSession;
	attempts: RunningAttempts;
	clock: CoordinatorClock;
	/** Called when the coordinator rejects a renewal: the next poll finds out why. */
	onRejected: () => void;
	signal: AbortSignal;
}

/** Renews the leases of all running attempts at an interval until the signal is aborted. */
export async function renewLeases(parts: LeaseRenewalParts): Promise<void> {
	const { session, attempts, signal } = parts;
	for (let seq = 1; !signal.aborted; ) {
		await sleep(session.intervals?.renew_ms ?? RENEW_MS, signal).catch(() => undefined);
		const running = attempts.claimedIds;
		if (signal.aborted || running.length === 0) continue;
		await renew(parts, seq, running);
		seq += 1;
	}
}

async function renew({ client, session, attempts, clock, onRejected, signal }: LeaseRenewalParts, seq: number, running: string[]) {
	const sentAt = performance.now();
	try {
		const answer = await client.fetch(renewAnswer, {
			method: "POST",
			path: "/api/v1/agents/self/renew",
			token: session.token,
			json: { session: session.number, seq, running },
			timeoutMs: session.intervals?.renew_timeout_ms ?? RENEW_MS,
			signal,
		});
		clock.update(answer.now, sentAt);
		attempts.apply(answer, sentAt);
	} catch (error) {
		if (signal.aborted) return;
		if (error instanceof Unreachable) log("warn", `The agent could not renew its leases: ${error.message}`);
		else onRejected();
	}
}
