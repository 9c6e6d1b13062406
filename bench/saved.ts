import { readFileSync, writeFileSync } from "node:fs";
import type { Row } from "./table.ts";

/** The rows of a run, by part and by what was measured, and how they compare with a later run. */
export type Saved = Record<string, Record<string, readonly string[]>>;

/** A change of more than this share is named. */
const NOTICED = 0.05;

export function save(file: string, saved: Saved): void {
	writeFileSync(file, `${JSON.stringify(saved, null, "\t")}\n`);
}

/** @throws Error for a file that is missing or is no saved run */
export function readSaved(file: string): Saved {
	return JSON.parse(readFileSync(file, "utf8")) as Saved;
}

/** Adds the rows of a part. */
export function record(saved: Saved, part: string, rows: readonly Row[]): void {
	saved[part] = Object.fromEntries(rows.map(([what, ...cells]) => [what, cells]));
}

/**
 * The cells of a row as multiples of those of an earlier run. The last one, beside the floor, is the
 * one to compare between machines and hours.
 * @returns null for a row that the earlier run does not have
 */
export function comparedRow(before: Saved, part: string, [what, ...cells]: Row): Row | null {
	const known = before[part]?.[what];
	if (!known) return null;
	const [p50, p99, rate, beside] = cells.map((cell, index) => multiple(cell, known[index] ?? "")) as [string, string, string, string];
	return [what, p50, p99, rate, beside];
}

function multiple(now: string, before: string): string {
	const [value, known] = [numberIn(now), numberIn(before)];
	if (value === null || known === null || known === 0) return "";
	const factor = value / known;
	return `${Math.abs(factor - 1) > NOTICED ? "! " : ""}× ${factor.toFixed(2)}`;
}

/** The number of a cell: `12.3 ms`, `520/s`, `12 × p50`, `1/27 of its rate`. */
function numberIn(cell: string): number | null {
	const [, share, plain] = /^1\/([\d.]+)|^(?:\+ )?([\d.]+)/.exec(cell) ?? [];
	const text = share ?? plain;
	return text === undefined ? null : Number(text);
}
