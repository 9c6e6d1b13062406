import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { readCases } from "../../worker/test_results/index_tests.ts";

async function casesIn(text: string) {
	const bytes = new TextEncoder().encode(text);
	await env.BUCKET.put("tests", bytes);
	return readCases(env.BUCKET, { key: "tests", size: bytes.byteLength });
}

const one = (index: number) => ({
	suite: "a ] suite",
	name: `"case" ${index} }`,
	state: "failed",
	duration_ms: 1,
	file: null,
	message: "expected [",
	output: "{".repeat(100),
});

test("the cases of an attempt are read some at a time, and come out as they went in", async () => {
	for (const cases of [[], [one(0)], Array.from({ length: 5_000 }, (_, index) => one(index))]) {
		const found = await casesIn(JSON.stringify(cases));
		expect(found?.map(({ suite, name }) => [suite, name])).toEqual(cases.map(({ suite, name }) => [suite, name]));
	}
	expect(await casesIn(JSON.stringify([one(1)], null, 2))).toHaveLength(1);
});

test.each(["", "{}", "[", "[{}]", "[1]", `${JSON.stringify([one(1)])} x`, `[${JSON.stringify(one(1))}`, '{"a":[]}'])(
	"%j is no list of cases",
	async (text) => {
		expect(await casesIn(text)).toBeNull();
	},
);
