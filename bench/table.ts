import type { Timing } from "./timing.ts";

/** One row of a table: the measured action, three figures, and the comparison with the floor. */
export type Row = readonly [what: string, string, string, string, beside: string];

const WIDTHS = [56, 10, 10, 12, 24];

export const TIMING_COLUMNS = ["p50", "p99", "rate", "beside its floor"] as const;
export const MEMORY_COLUMNS = ["before", "peak", "2 s after", "growth to the peak"] as const;
export const IS_FLOOR = "the floor";

/**
 * Prints a part when it is measured; its title heads the first column. All parts have the same
 * widths.
 */
export function printTable(title: string, columns: readonly string[], rows: readonly Row[]): void {
	for (const cells of [[title, ...columns], ...rows]) {
		const padded = cells.map((cell, column) => (column === 0 ? cell.padEnd(WIDTHS[column] ?? 0) : cell.padStart(WIDTHS[column] ?? 0)));
		console.log(padded.join(" ").trimEnd());
	}
	console.log();
}

/** A row with latencies and a rate. */
export function timingRow(what: string, { p50, p99, rate }: Timing, beside: string): Row {
	return [what, milliseconds(p50), milliseconds(p99), `${rate.toFixed(rate < 10 ? 1 : 0)}/s`, beside];
}

/** A row with latencies. */
export function latencyRow(what: string, { p50, p99 }: Pick<Timing, "p50" | "p99">, beside: string): Row {
	return [what, milliseconds(p50), milliseconds(p99), "", beside];
}

/** A row of an action that is done once. */
export function onceRow(what: string, ms: number, beside: string): Row {
	return [what, milliseconds(ms), "", "", beside];
}

/** A row of bytes that are transferred once. */
export function bytesRow(what: string, bytes: number, ms: number, beside: string): Row {
	return [what, milliseconds(ms), "", `${megabytes((bytes / ms) * 1000)}/s`, beside];
}

/** `12 × p50`: the time as a multiple of its floor. */
export function timesFloor(value: { p50: number }, floor: { p50: number }): string {
	const factor = value.p50 / floor.p50;
	return `${factor.toFixed(factor < 10 ? 1 : 0)} × p50`;
}

/** `1/12 of cp`: the speed as a share of its floor. */
export function shareOf(ms: number, floorMs: number, name: string): string {
	const factor = ms / floorMs;
	return `1/${factor.toFixed(factor < 10 ? 1 : 0)} of ${name}`;
}

/** A row of a count. */
export function countRow(what: string, count: number, beside: string): Row {
	return [what, count.toFixed(count < 10 ? 1 : 0), "", "", beside];
}

export function megabytes(bytes: number): string {
	const value = bytes / 1e6;
	return `${value.toFixed(Math.abs(value) < 10 ? 1 : 0)} MB`;
}

function milliseconds(value: number): string {
	return `${value.toFixed(value < 10 ? 2 : value < 1000 ? 1 : 0)} ms`;
}
