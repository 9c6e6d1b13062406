import { parseArgs, styleText } from "node:util";
import { readOrEnd, wholeNumber } from "../support/arguments.ts";
import { huntAll } from "./hunt.ts";
import { parseRanges } from "./ranges.ts";
import { failureText, Summary, summaryText } from "./report.ts";
import { liveThrough } from "./worlds.ts";

/**
 * `npm run sim -- --seeds 1000 --steps 2000 [--seed N]`: the coordinator and its agents, as they are, in simulated worlds in which everything
 * fails that can. `--seed` gives the first seed (one world, unless `--seeds` says more), `--verbose` prints every event, `--without` leaves
 * out parts of the plan, `--planted` plants bugs to see whether they are found.
 */

const DEFAULT_SEEDS = 100;
const DEFAULT_STEPS = 2_000;
const MAX_FAILURES = 3;
/** Where there is no terminal, a line after so many worlds says how far it is. */
const WORLDS_PER_LINE = 20;
/** From so many steps on every kind of fault must have struck. */
const ENOUGH_STEPS = 1_000_000;

const OPTIONS = {
	options: {
		seeds: { type: "string" },
		steps: { type: "string" },
		seed: { type: "string" },
		without: { type: "string" },
		verbose: { type: "boolean", default: false },
		planted: { type: "boolean", default: false },
	},
} as const;
const { values } = readOrEnd("sim", () => parseArgs(OPTIONS));

const steps = wholeNumber("sim", "--steps", values.steps) ?? DEFAULT_STEPS;
const seed = wholeNumber("sim", "--seed", values.seed);
const seeds = wholeNumber("sim", "--seeds", values.seeds) ?? (seed === null ? DEFAULT_SEEDS : 1);
const first = seed ?? Date.now() % 2 ** 31;
const isTerminal = process.stdout.isTTY;

async function simulate(): Promise<number> {
	console.log(`sim: ${seeds} worlds of ${steps} steps and their rest, --seed ${first}, Node ${process.versions.node}`);
	const summary = new Summary();
	const started = performance.now();
	await liveThrough({
		seeds: Array.from({ length: seeds }, (_, index) => first + index),
		steps,
		without: values.without ? readOrEnd("sim", () => parseRanges(values.without ?? "")) : [],
		isVerbose: values.verbose,
		planted: null,
		isFirstEnough: false,
		onResult(result) {
			summary.add(result);
			if (result.failure && summary.failures.length <= MAX_FAILURES) console.log(failureText(result, steps));
			if (!isTerminal && summary.worlds % WORLDS_PER_LINE === 0) console.log(progress(summary, performance.now() - started));
			if (isTerminal) process.stdout.write(`\r${progress(summary, performance.now() - started)}\x1b[K`);
		},
	});
	if (isTerminal) process.stdout.write("\r\x1b[K");
	console.log(summaryText(summary, performance.now() - started));
	if (summary.failures.length > 0) {
		console.log(styleText("red", `\n${summary.failures.length} of ${summary.worlds} worlds broke a promise.`));
		return 1;
	}
	if (summary.steps >= ENOUGH_STEPS && summary.missing.length > 0) {
		console.log(styleText("red", `\nNever struck, so nothing is known of: ${summary.missing.join(", ")}`));
		return 1;
	}
	console.log(styleText("green", "\nEvery promise was kept."));
	return 0;
}

function progress(summary: Summary, elapsedMs: number): string {
	const pace = Math.round((summary.steps / elapsedMs) * 1000);
	const failures = summary.failures.length > 0 ? `, ${summary.failures.length} broke a promise` : "";
	return `${summary.worlds} of ${seeds} worlds, ${summary.steps.toLocaleString("en")} steps, ${pace.toLocaleString("en")} a second${failures}`;
}

process.exitCode = values.planted ? await huntAll(steps, seeds) : await simulate();
