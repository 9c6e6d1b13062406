import { formatDuration } from "../../schema/wire/duration.ts";
import type { UsualDuration } from "../../schema/wire/resources.ts";
import { shownState } from "../../schema/wire/state_words.ts";
import { isTerminal, type JobState, type RunState } from "../../schema/wire/states.ts";
import { timeMark } from "./parts.ts";
import { PostForm } from "./post_form.tsx";

/** How pages show states and times. */

/** A state with its mark, in its color. `word` replaces the word. */
export function State({ state, word }: { state: string; word?: string }) {
	const shown = shownState(state);
	return (
		<span class={`state ${shown.tone} ${state}`}>
			<Mark state={state} /> {word ?? shown.word}
		</span>
	);
}

/** The mark of a state alone. Screen readers read the word. */
export function Mark({ state, isAlone = false }: { state: string; isAlone?: boolean }) {
	const { mark, tone, word } = shownState(state);
	return isAlone ? (
		<span class={`mark ${tone}`} role="img" aria-label={word}>
			{mark}
		</span>
	) : (
		<span class="mark" aria-hidden="true">
			{mark}
		</span>
	);
}

/** A time, shown as its age. The page keeps it up to date. */
export function Ago({ at }: { at: string }) {
	return (
		<time dateTime={at} title={readable(at)} data-ago={Date.parse(at)}>
			{timeMark(["ago", Date.parse(at)])}
		</time>
	);
}

/** A time for people: `2026-11-30 08:15 UTC`. */
export function readable(at: string): string {
	return `${at.slice(0, 16).replace("T", " ")} UTC`;
}

/** A duration, or the time since the start, which the page keeps up to date. */
export function Took({ from, to }: { from: string | null; to: string | null }) {
	if (from === null) return <span class="soft">–</span>;
	if (to !== null) return <span class="took">{formatDuration(Date.parse(to) - Date.parse(from))}</span>;
	return (
		<span class="took" data-since={Date.parse(from)}>
			{timeMark(["since", Date.parse(from)])}
		</span>
	);
}

/** How long something that runs will still take, if it takes its usual time. */
export function Left({ from, usualMs }: { from: string; usualMs: number }) {
	return (
		<span class="soft" data-since={Date.parse(from)} data-left={usualMs}>
			{timeMark(["left", Date.parse(from), usualMs])}
		</span>
	);
}

/** `usually 3m, nine in ten within 5m`. */
export function usualText({ p50_ms, p90_ms }: UsualDuration): string {
	return `usually ${formatDuration(p50_ms)}, nine in ten within ${formatDuration(p90_ms)}`;
}

/** A bar that shows how much of its usual time something has taken; an ended one is full. */
export function Meter({ from, to, usualMs, state }: { from: string | null; to: string | null; usualMs: number | null; state: string }) {
	if (from === null || usualMs === null || usualMs <= 0) return null;
	const { tone } = shownState(state);
	if (to !== null) {
		const value = Math.min(100, Math.round((100 * (Date.parse(to) - Date.parse(from))) / usualMs));
		return <progress class={tone} value={value} max="100" aria-label={`${value} % of the usual time`} />;
	}
	return (
		<progress
			class={tone}
			value={timeMark(["share", Date.parse(from), usualMs])}
			max="100"
			data-since={Date.parse(from)}
			data-usual={usualMs}
			aria-label="share of the usual time"
		/>
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

/** `1 job`, `2 jobs`. */
export function counted(n: number, noun: string): string {
	return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** A form with one button, for a change from a page. */
export function CancelButton({ action, what, state }: { action: string; what: string; state: RunState | JobState }) {
	if (isTerminal(state)) return null;
	return (
		<PostForm action={action}>
			<button type="submit" class="danger" disabled={state === "cancelling"}>
				{state === "cancelling" ? "Cancelling…" : `Cancel ${what}`}
			</button>
		</PostForm>
	);
}
