import type { Agent } from "./resources.ts";
import { isTerminal } from "./states.ts";

/** How the program and the status page show a state: a mark, a word and a tone. */

/** What a state means for the reader: it is good, bad, in progress, needs attention, or says little. */
export type Tone = "ok" | "bad" | "run" | "wait" | "off";

interface Shown {
	mark: string;
	word: string;
	tone: Tone;
}

const SHOWN: Readonly<Record<string, Shown>> = {
	succeeded: { mark: "✓", word: "succeeded", tone: "ok" },
	failed: { mark: "✗", word: "failed", tone: "bad" },
	errored: { mark: "!", word: "errored", tone: "bad" },
	timed_out: { mark: "◷", word: "timed out", tone: "bad" },
	expired: { mark: "!", word: "lost", tone: "bad" },
	cancelled: { mark: "⊘", word: "cancelled", tone: "off" },
	cancelling: { mark: "⊘", word: "cancelling", tone: "wait" },
	skipped: { mark: "»", word: "skipped", tone: "off" },
	running: { mark: "●", word: "running", tone: "run" },
	waiting: { mark: "◔", word: "needs approval", tone: "wait" },
	queued: { mark: "◌", word: "waiting", tone: "off" },
	leased: { mark: "◌", word: "starting", tone: "run" },
	blocked: { mark: "◌", word: "waiting", tone: "off" },
	pending: { mark: "◌", word: "pending", tone: "off" },
	stuck: { mark: "◔", word: "stuck", tone: "wait" },
	online: { mark: "●", word: "online", tone: "ok" },
	draining: { mark: "◔", word: "draining", tone: "wait" },
	offline: { mark: "○", word: "offline", tone: "off" },
	lost: { mark: "✗", word: "lost", tone: "bad" },
	disabled: { mark: "⊘", word: "disabled", tone: "wait" },
	passed: { mark: "✓", word: "passed", tone: "ok" },
};

/** The mark, word and tone of the state of a run, job, attempt, step, test or agent. */
export function shownState(state: string): Shown {
	return SHOWN[state] ?? { mark: "·", word: state.replaceAll("_", " "), tone: "off" };
}

/** The state of an agent. A person's change comes before its connection, unless the agent is gone. */
export function agentState({ status, disabled, drain }: Pick<Agent, "status" | "disabled" | "drain">): string {
	if (status === "lost" || status === "offline") return status;
	if (disabled) return "disabled";
	return drain ? "draining" : status;
}

/** Whether a run or job ended in a way that somebody has to look at. */
export function isFailure(state: string): boolean {
	return isTerminal(state as never) && shownState(state).tone === "bad";
}
