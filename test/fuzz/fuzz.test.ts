import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FuzzFailure, FuzzProperty } from "./fuzz_property.ts";
import { aftermath, residentBytes } from "./network/aftermath.ts";
import { UPLOADS } from "./network/broken_off.ts";
import { ADDRESSES } from "./network/json_bodies.ts";
import { DECLARED_ROUTES } from "./network/routes.ts";
import { NETWORK_PLAN, type NetworkSuite, PURE, replayOf, sharesOf, startNetwork } from "./suite.ts";

/**
 * The properties of `npm run fuzz`, with as many cases as a check of every change has time for, and always the same ones: what is found anew is
 * found by the command, not by whoever happens to change something else.
 */

const CASES = 1_500;
const SEED = 20_260_101;
const SECOND_ROUND = 0.3;

const shares = sharesOf(CASES);
const shareOf = (name: string) => shares.get(name) ?? 1;

async function check(property: FuzzProperty, seed: number, cases: number): Promise<void> {
	const failure = await property.check({ seed, cases });
	expect(failure && described(failure)).toBeNull();
}

function described(failure: FuzzFailure): string {
	return `${failure.report}\n\nagain: ${replayOf(failure)}`;
}

/** The routes of the addresses that a coordinator gives out. */
const WHOLE_ADDRESSES: Readonly<Record<string, string>> = {
	"{part}": "/api/v1/parts/:",
	"{big_part}": "/api/v1/parts/:",
	"{cache_save}": "/api/v1/caches/saves/:",
	"{cache_part}": "/api/v1/caches/saves/:/:",
};

/** The route of an address whose words are not filled in. */
function patternOf(target: string): string {
	const [path = ""] = target.split("?");
	return (WHOLE_ADDRESSES[path] ?? path).replace("/build-caches/gradle/", "/build-caches/{tool}/").replaceAll(/\{\w+\}/g, ":");
}

describe("in this process", () => {
	test("every address that takes a body is sent some", () => {
		const sent = new Set([...ADDRESSES, ...UPLOADS].map(({ method, target }) => `${method} ${patternOf(target)}`));
		const taking = DECLARED_ROUTES.filter(({ method }) => method !== "GET" && method !== "DELETE");
		expect(taking.map(({ method, path }) => `${method} ${path.replaceAll(/:\w+\+?/g, ":")}`).filter((route) => !sent.has(route))).toEqual(
			[],
		);
	});

	test.each(PURE)("$name", (property) => check(property, SEED, shareOf(property.name)));
});

describe("on a running coordinator", () => {
	let suite: NetworkSuite;
	const cleanUps: (() => void | Promise<void>)[] = [];

	beforeAll(async () => {
		suite = await startNetwork((clean) => cleanUps.push(clean));
	});
	afterAll(async () => {
		for (const clean of cleanUps.reverse()) await clean();
	});

	test.each(NETWORK_PLAN)("$name", async ({ name }) => {
		const property = suite.properties.find((one) => one.name === name) as FuzzProperty;
		await check(property, SEED, shareOf(name));
	});

	test("a second round makes nothing grow; nobody has died, and work is still done", async () => {
		const warm = residentBytes(suite.target);
		for (const property of suite.properties) await check(property, SEED + 1, Math.ceil(shareOf(property.name) * SECOND_ROUND));
		expect(await aftermath(suite.target, warm)).toEqual([]);
	});
});
