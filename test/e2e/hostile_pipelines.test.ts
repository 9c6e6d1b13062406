import { afterAll, beforeAll, expect, test } from "vitest";
import { acceptedTexts, rejectedTexts } from "../../bench/hostile_texts.ts";
import { errorBody } from "../../schema/wire/errors.ts";
import { ADMIN_TOKEN, type TestCoordinator } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

const cleanups: (() => void | Promise<void>)[] = [];
let coordinator: TestCoordinator;
beforeAll(async () => {
	coordinator = await borrowCoordinator((clean) => void cleanups.push(clean));
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

function post(address: string, body: string, type = "application/yaml"): Promise<Response> {
	return fetch(coordinator.url + address, {
		method: "POST",
		headers: { Authorization: `Bearer ${ADMIN_TOKEN}`, "Content-Type": type },
		body,
	});
}

/** How many requests of others are answered, one after the other, before this one is. */
async function answeredMeanwhile(work: Promise<unknown>): Promise<number> {
	let isOver = false;
	let answered = 0;
	const ending = work.finally(() => {
		isOver = true;
	});
	while (!isOver) {
		expect((await fetch(`${coordinator.url}/healthz`)).status).toBe(200);
		answered += 1;
	}
	await ending;
	return answered;
}

test.each([
	["30,000 variables", "/api/v1/runs"],
	["24,000 unknown keys", "/api/v1/runs"],
	["keys with a question mark", "/api/v1/pipelines/validate"],
])("others are answered while eight clients send %s", async (name, address) => {
	const text = rejectedTexts()[name] ?? "";
	const eight = Promise.all(Array.from({ length: 8 }, () => post(address, text)));
	expect(await answeredMeanwhile(eight)).toBeGreaterThan(20);
	for (const answer of await eight) expect([200, 422, 400]).toContain(answer.status);
});

test("others are answered while a pipeline of 10 MiB is stored, changed and run", async () => {
	const yaml = acceptedTexts()["10 MiB of comments"] ?? "";
	const name = "large";
	const stored = async () => {
		const made = await post("/api/v1/pipelines", JSON.stringify({ name, project: "web", yaml }), "application/json");
		expect(made.status).toBe(201);
		const { id } = (await made.json()) as { id: string };
		expect((await post(`/api/v1/pipelines/${id}/trigger`, "{}", "application/json")).status).toBe(201);
		expect((await post("/api/v1/runs", JSON.stringify({ pipeline: yaml.slice(200_000) }), "application/json")).status).toBe(201);
	};
	expect(await answeredMeanwhile(stored())).toBeGreaterThan(20);
});

test("JSON of more values than may be there is rejected before it is parsed", async () => {
	const answer = await post("/api/v1/runs", `{"run": "x", "changed": [${"1,".repeat(300_000)}1]}`, "application/json");
	expect(answer.status).toBe(400);
	expect(errorBody.parse(await answer.json()).message).toBe("The JSON has more than 200000 values.");
	const deep = await post("/api/v1/runs", "[".repeat(100_000), "application/json");
	expect(errorBody.parse(await deep.json()).message).toContain("nested more than 200 levels deep");
});
