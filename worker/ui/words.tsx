import { formatDuration } from "../../schema/wire/duration.ts";
import { isTerminal, type JobState, type RunState, type StepState } from "../../schema/wire/states.ts";

/** How pages show states and times. */

const STATE_WORDS: Partial<Record<JobState | RunState | StepState, string>> = {
	blocked: "waiting",
	waiting: "waiting for an approval",
	queued: "waiting for an agent",
	leased: "waiting for an agent",
	timed_out: "timed out",
};

const STATE_MARKS: Record<JobState | RunState | StepState, string> = {
	blocked: "◌",
	queued: "◌",
	leased: "◌",
	pending: "◌",
	running: "●",
	waiting: "◍",
	cancelling: "●",
	succeeded: "✓",
	failed: "✗",
	errored: "!",
	timed_out: "◷",
	cancelled: "⊘",
	skipped: "»",
};

export function State({ state }: { state: JobState | RunState | StepState }) {
	return (
		<span class={`state ${state}`}>
			<span class="mark" aria-hidden="true">
				{STATE_MARKS[state]}
			</span>{" "}
			{STATE_WORDS[state] ?? state}
		</span>
	);
}

/** A time, shown as its age. */
export function Ago({ at }: { at: string }) {
	const ms = Date.now() - Date.parse(at);
	return (
		<time dateTime={at} title={at}>
			{ms < 5_000 ? "just now" : `${formatDuration(ms)} ago`}
		</time>
	);
}

/** A duration, or the time since the start; the page updates it. */
export function Took({ from, to }: { from: string | null; to: string | null }) {
	if (from === null) return <span class="muted">–</span>;
	if (to !== null) return <span class="took">{formatDuration(Date.parse(to) - Date.parse(from))}</span>;
	return (
		<span class="took" data-since={Date.parse(from)}>
			{formatDuration(Date.now() - Date.parse(from))}
		</span>
	);
}

export function size(bytes: number): string {
	if (bytes < 1000) return `${bytes} B`;
	const units = ["kB", "MB", "GB", "TB"];
	let value = bytes;
	let unit = -1;
	while (value >= 1000 && unit < units.length - 1) {
		value /= 1000;
		unit += 1;
	}
	return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

/** A form with one button, for a change from a page. */
export function CancelButton({ action, what, state }: { action: string; what: string; state: RunState | JobState }) {
	if (isTerminal(state)) return null;
	return (
		<form method="post" action={action}>
			<button type="submit" class="danger" disabled={state === "cancelling"}>
				{state === "cancelling" ? "Cancelling…" : `Cancel ${what}`}
			</button>
		</form>
	);
}
