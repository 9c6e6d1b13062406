import type { JobState, RunState } from "../../schema/wire/states.ts";

/** Badges: the state of a branch as a small picture. */

export interface Badge {
	label: string;
	message: string;
	color: string;
}

const COLORS: Partial<Record<RunState | JobState, string>> = {
	succeeded: "#3a7d34",
	failed: "#b3261e",
	errored: "#b3261e",
	timed_out: "#b3261e",
	running: "#946200",
	queued: "#946200",
	waiting: "#946200",
};
const GREY = "#6a737d";

const WORST_FIRST: readonly (RunState | JobState)[] = [
	"failed",
	"timed_out",
	"errored",
	"cancelled",
	"cancelling",
	"running",
	"leased",
	"queued",
	"waiting",
	"blocked",
	"succeeded",
	"skipped",
];

/** The aggregate state: the worst of several states; null without states. */
export function aggregateState(states: readonly (RunState | JobState)[]): RunState | JobState | null {
	return WORST_FIRST.find((state) => states.includes(state)) ?? null;
}

/** @param state null if there are no runs */
export function badgeOf(label: string, state: RunState | JobState | null): Badge {
	if (state === null) return { label, message: "no runs", color: GREY };
	const message = state === "succeeded" ? "passing" : state === "blocked" || state === "leased" ? "waiting" : state.replace("_", " ");
	return { label, message, color: COLORS[state] ?? GREY };
}

const HEIGHT = 20;
const PADDING = 6;

/** The picture. `textLength` fits each text to its measured width in every font. */
export function svgOf({ label, message, color }: Badge): string {
	const [left, right] = [widthOf(label), widthOf(message)];
	const width = left + right;
	const text = (value: string, x: number, of: number) =>
		`<text x="${x + of / 2}" y="14" textLength="${of - 2 * PADDING}" lengthAdjust="spacingAndGlyphs">${escaped(value)}</text>`;
	return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${HEIGHT}" role="img" aria-label="${escaped(`${label}: ${message}`)}">
<title>${escaped(`${label}: ${message}`)}</title>
<clipPath id="r"><rect width="${width}" height="${HEIGHT}" rx="3"/></clipPath>
<g clip-path="url(#r)"><rect width="${left}" height="${HEIGHT}" fill="#444d56"/><rect x="${left}" width="${right}" height="${HEIGHT}" fill="${color}"/></g>
<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">${text(label, 0, left)}${text(message, left, right)}</g>
</svg>
`;
}

const NARROW = /[iljtfr1.,:;|!'() ]/;
const WIDE = /[mwMW@%]/;

/** The approximate width of a text at 11 px, with padding. */
function widthOf(text: string): number {
	const characters = [...text].reduce((sum, char) => sum + (NARROW.test(char) ? 4.5 : WIDE.test(char) ? 10.5 : 7), 0);
	return Math.ceil(characters) + 2 * PADDING;
}

function escaped(text: string): string {
	return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
