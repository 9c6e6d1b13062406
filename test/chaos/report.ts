import { styleText } from "node:util";
import { formatBytes } from "../../schema/wire/bytes.ts";
import type { chaos } from "./chaos.ts";

/** What was done, what became of it, and what is wrong. */
export function chaosText({ checked, faults, lostAnswers }: Awaited<ReturnType<typeof chaos>>): string {
	const row = (what: string, n: number | string) => `  ${what.padEnd(34)} ${String(n).padStart(10)}`;
	return [
		"",
		styleText("bold", "what was done"),
		...[...faults].map(([fault, times]) => row(fault, times)),
		row("answers that were lost", lostAnswers),
		"",
		styleText("bold", "what became of it"),
		row("runs acknowledged, and over", checked.runs),
		row("attempts", checked.attempts),
		row("requeues", checked.requeues),
		row("stale writes rejected", checked.rejected),
		row("bytes of logs and artifacts checked", formatBytes(checked.bytes)),
		"",
		...checked.broken.map((fault) => styleText("red", `✗ ${fault}`)),
		checked.broken.length === 0
			? styleText("green", "Every promise was kept.")
			: styleText("red", `${checked.broken.length} promises were broken.`),
	].join("\n");
}
