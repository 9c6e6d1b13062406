import { styleText } from "node:util";
import { plainText } from "../schema/text/ansi.ts";
import { formatDuration } from "../schema/wire/duration.ts";
import { shownState, type Tone } from "../schema/wire/state_words.ts";

/**
 * Text for the terminal: colors, tables, states with their marks. NO_COLOR is honored
 * (no-color.org).
 */

type Style = Parameters<typeof styleText>[0];

/** Whether text on this stream gets colors. */
export function isColored(stream: NodeJS.WriteStream = process.stdout): boolean {
	if (process.env.NO_COLOR) return false;
	return Boolean(process.env.FORCE_COLOR) || stream.isTTY === true;
}

export function paint(style: Style, text: string): string {
	return isColored() ? styleText(style, text, { validateStream: false }) : text;
}

const STYLES: Record<Tone, Style> = { ok: "green", bad: "red", run: "blue", wait: "yellow", off: "gray" };

/** A state with its mark. */
export function stateText(state: string): string {
	const { mark, word, tone } = shownState(state);
	return paint(STYLES[tone], `${mark} ${word}`);
}

/** The time since a date: `5m ago`. */
export function ago(at: string | null): string {
	return at === null ? "–" : `${formatDuration(Date.now() - Date.parse(at))} ago`;
}

/** The time between two dates; until now if the second is null. */
export function took(from: string | null, to: string | null): string {
	return from === null ? "–" : formatDuration((to === null ? Date.now() : Date.parse(to)) - Date.parse(from));
}

const BAR_CELLS = 10;

/** How much of its usual time something has taken: `█████░░░░░ 50 % of 3m`. */
export function progressBar(from: string, usualMs: number): string {
	const share = (Date.now() - Date.parse(from)) / Math.max(1, usualMs);
	const bar = progressCells(share);
	return share > 1
		? `${bar} longer than usual (${formatDuration(usualMs)})`
		: `${bar} ${Math.floor(100 * Math.max(0, share))} % of ${formatDuration(usualMs)}`;
}

/** A share from 0 to 1 as a bar: `█████░░░░░`. */
export function progressCells(share: number): string {
	const full = Math.max(0, Math.min(BAR_CELLS, Math.round(share * BAR_CELLS)));
	return `${paint("blue", "█".repeat(full))}${paint("gray", "░".repeat(BAR_CELLS - full))}`;
}

/** Rows in columns; the first row is the head. */
export function table(rows: readonly (readonly string[])[]): string {
	const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => visibleLength(row[column] ?? ""))));
	return rows
		.map((row, index) => {
			const cells = row.map((cell, column) =>
				column === row.length - 1 ? cell : cell + " ".repeat((widths[column] ?? 0) - visibleLength(cell)),
			);
			const line = cells.join("  ").trimEnd();
			return `${index === 0 ? paint("bold", line) : line}\n`;
		})
		.join("");
}

/** `1 job`, `2 jobs`. */
export function counted(count: number, noun: string): string {
	return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function visibleLength(text: string): number {
	return [...plainText(text)].length;
}

export function print(text: string): void {
	process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

export function printJson(value: unknown): void {
	print(JSON.stringify(value, null, 2));
}
