import { createHash } from "node:crypto";
import { styleText } from "node:util";
import { formatDuration } from "../../schema/wire/duration.ts";
import { FAULTS } from "./faults.ts";
import { rangesText } from "./ranges.ts";
import type { WorldResult } from "./share.ts";

/** What all worlds together come to. */
export class Summary {
	readonly failures: WorldResult[] = [];
	readonly faults = new Map<string, number>(FAULTS.map((fault) => [fault, 0]));
	worlds = 0;
	steps = 0;
	runs = 0;
	attempts = 0;
	virtualMs = 0;
	readonly #hashes = new Map<number, string>();

	add(result: WorldResult): void {
		this.worlds += 1;
		this.steps += result.steps;
		this.runs += result.runs;
		this.attempts += result.attempts;
		this.virtualMs += result.virtualMs;
		this.#hashes.set(result.seed, result.hash);
		for (const [fault, times] of result.faults) this.faults.set(fault, (this.faults.get(fault) ?? 0) + times);
		if (result.failure) this.failures.push(result);
	}

	/** What names the course of all of them: the same seeds and the same code give the same. */
	get hash(): string {
		const digest = createHash("sha256");
		for (const seed of [...this.#hashes.keys()].sort((a, b) => a - b)) digest.update(`${seed} ${this.#hashes.get(seed)}\n`);
		return digest.digest("hex").slice(0, 16);
	}

	/** The kinds of fault that never struck. */
	get missing(): string[] {
		return [...this.faults].filter(([, times]) => times === 0).map(([fault]) => fault);
	}
}

const count = (n: number) => n.toLocaleString("en");

/** The faults by kind, and what they struck. */
export function summaryText(summary: Summary, elapsedMs: number): string {
	const rows = [...summary.faults]
		.sort((a, b) => b[1] - a[1])
		.map(([fault, times]) => `  ${fault.padEnd(34)} ${count(times).padStart(10)}`);
	const pace = Math.round((summary.steps / elapsedMs) * 1000);
	return [
		"",
		styleText("bold", "faults that struck"),
		...rows,
		"",
		`${count(summary.worlds)} worlds, ${count(summary.steps)} steps in ${formatDuration(elapsedMs)} (${count(pace)} a second), ${formatDuration(summary.virtualMs)} of their time`,
		`${count(summary.runs)} runs acknowledged, ${count(summary.attempts)} attempts started`,
		`trace ${summary.hash}`,
	].join("\n");
}

/** What went wrong in one world, and how it is seen again. */
export function failureText({ seed, failure, recent, hash }: WorldResult, steps: number): string {
	if (!failure) return "";
	const without = failure.without.length > 0 ? ` --without ${rangesText(failure.without)}` : "";
	return [
		"",
		styleText("red", `✗ seed ${seed}: ${failure.message}`),
		"",
		styleText("bold", `  what was done to the world (${failure.actions.length} actions are left; trace ${hash} with all)`),
		...failure.actions.map((action) => `    ${action}`),
		styleText("bold", "  the last events"),
		...recent.slice(-40).map((event) => `    ${event}`),
		styleText("bold", "  again"),
		`    npm run sim -- --seed ${seed} --steps ${steps}${without} --verbose`,
	].join("\n");
}
