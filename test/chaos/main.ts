import { parseArgs, styleText } from "node:util";
import { readOrEnd, wholeNumber } from "../support/arguments.ts";
import { chaos } from "./chaos.ts";
import { chaosText } from "./report.ts";

/**
 * `npm run chaos -- --minutes 10 [--seed N]`: a real coordinator, real agents and real jobs, while their processes are killed, frozen and
 * cut off from each other. The seed decides what is done and when; how the processes take it differs each time.
 */

const OPTIONS = { options: { minutes: { type: "string", default: "1" }, seed: { type: "string" } } } as const;
const { values } = readOrEnd("chaos", () => parseArgs(OPTIONS));
const minutes = Number(values.minutes);
const seed = wholeNumber("chaos", "--seed", values.seed) ?? Date.now() % 2 ** 31;
if (!(minutes > 0)) {
	console.error(`chaos: --minutes is a number above 0, not ${values.minutes}`);
	process.exit(2);
}

const cleanUps: (() => void | Promise<void>)[] = [];
const started = performance.now();
console.log(`chaos: ${minutes} minutes, --seed ${seed}, Node ${process.versions.node}`);
try {
	const result = await chaos({
		seed,
		ms: minutes * 60_000,
		atEnd: (clean) => void cleanUps.push(clean),
		onStrike: (line) => console.log(styleText("gray", `${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${line}`)),
	});
	console.log(chaosText(result));
	process.exitCode = result.checked.broken.length === 0 ? 0 : 1;
} finally {
	for (const clean of cleanUps.reverse()) await clean();
}
process.exit();
