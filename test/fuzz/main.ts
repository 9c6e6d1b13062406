import { parseArgs } from "node:util";
import { wholeNumber } from "../support/arguments.ts";
import type { FuzzFailure, FuzzProperty } from "./fuzz_property.ts";
import { aftermath, residentBytes } from "./network/aftermath.ts";
import { NETWORK_PLAN, PURE, replayOf, sharesOf, startNetwork } from "./suite.ts";

/**
 * `npm run fuzz -- --cases 100000 [--seed N]`: everything that reads untrusted bytes, with bytes that nobody should trust. A failure says how it
 * is seen again: `--only <name>` runs one property, and `--path` goes straight to the case.
 */

/** The first part of the cases on a coordinator is for getting warm: only after it is growth a leak. */
const WARM_UP = 0.6;

const DEFAULT_CASES = 10_000;

const { values } = parseArgs({
	options: { cases: { type: "string" }, seed: { type: "string" }, only: { type: "string" }, path: { type: "string" } },
});
const cases = wholeNumber("fuzz", "--cases", values.cases) ?? DEFAULT_CASES;
const seed = wholeNumber("fuzz", "--seed", values.seed) ?? Date.now() % 2 ** 31;

async function main(): Promise<number> {
	console.log(`fuzz: ${values.only ? JSON.stringify(values.only) : `${cases} cases`}, --seed ${seed}, Node ${process.versions.node}`);
	const failures = values.only === undefined ? await runAll() : await runOnly(values.only);
	for (const failure of failures) console.log(`\n✗ ${failure.name}\n${failure.report}\n\n  again: ${replayOf(failure)}`);
	console.log(failures.length === 0 ? "\nAll of it held." : `\n${failures.length} did not hold.`);
	return failures.length === 0 ? 0 : 1;
}

async function runAll(): Promise<FuzzFailure[]> {
	const shares = sharesOf(cases);
	const shareOf = ({ name }: FuzzProperty) => shares.get(name) ?? 1;
	const failures: (FuzzFailure | null)[] = [];
	for (const property of PURE) failures.push(await run(property, seed, shareOf(property)));
	await withNetwork(async ({ target, properties }) => {
		for (const property of properties) failures.push(await run(property, seed, Math.ceil(shareOf(property) * WARM_UP)));
		const warm = residentBytes(target);
		for (const property of properties) {
			const rest = shareOf(property) - Math.ceil(shareOf(property) * WARM_UP);
			if (rest > 0) failures.push(await run(property, seed + 1, rest));
		}
		const faults = await aftermath(target, warm);
		console.log(
			`  afterwards: ${faults.join("; ") || "all is well"}; workerd had ${mebibytes(warm)} and has ${mebibytes(residentBytes(target))}`,
		);
		if (faults.length > 0) failures.push({ name: "afterwards all is well", seed, path: "", cases, report: faults.join("\n") });
	});
	return failures.filter((failure) => failure !== null);
}

async function runOnly(name: string): Promise<FuzzFailure[]> {
	const failures: (FuzzFailure | null)[] = [];
	const pure = PURE.find((property) => property.name === name);
	if (pure) failures.push(await run(pure, seed, cases, values.path));
	else if (NETWORK_PLAN.some((property) => property.name === name)) {
		await withNetwork(async ({ properties }) => {
			for (const property of properties) if (property.name === name) failures.push(await run(property, seed, cases, values.path));
		});
	} else {
		console.error(
			`fuzz: there is no ${JSON.stringify(name)}; there are:\n${[...PURE, ...NETWORK_PLAN].map((one) => `  ${one.name}`).join("\n")}`,
		);
		process.exit(2);
	}
	return failures.filter((failure) => failure !== null);
}

async function run(property: FuzzProperty, seed: number, cases: number, path?: string): Promise<FuzzFailure | null> {
	const started = performance.now();
	const failure = await property.check({ seed, cases, path });
	const seconds = ((performance.now() - started) / 1000).toFixed(1);
	console.log(`  ${failure ? "✗" : "✓"} ${property.name} (${cases} cases, ${seconds} s)`);
	return failure;
}

async function withNetwork(body: (suite: Awaited<ReturnType<typeof startNetwork>>) => Promise<void>): Promise<void> {
	const cleanUps: (() => void | Promise<void>)[] = [];
	try {
		await body(await startNetwork((clean) => cleanUps.push(clean)));
	} finally {
		for (const clean of cleanUps.reverse()) await clean();
	}
}

function mebibytes(bytes: number): string {
	return `${Math.round(bytes / 1024 / 1024)} MiB`;
}

process.exit(await main());
