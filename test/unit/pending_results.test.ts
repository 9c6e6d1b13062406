import { describe, expect, test } from "vitest";
import { MAX_RESULT_CHARS, PendingResults } from "../../agent/protocol/pending_results.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { MAX_RESULTS } from "../../schema/wire/limits.ts";
import type { ResultBody } from "../../schema/wire/protocol.ts";

function resultOf(attempt_id: string, log_text: string | null = null): ResultBody {
	const log = { bytes: 0, sha256: null, incomplete: false };
	return { attempt_id, lease_token: "wll.token", state: "succeeded", exit_code: 0, reason: null, log, steps: [], log_text };
}

const NEVER = new AbortController().signal;
const idsOf = (results: readonly ResultBody[]) => results.map(({ attempt_id }) => attempt_id);

describe("results that wait for a poll", () => {
	test("stay until they are answered, and end with the state or the error of their own", async () => {
		const pending = new PendingResults();
		let added = 0;
		pending.onAdded = () => {
			added += 1;
		};
		const [one, two] = [pending.deliver(resultOf("one"), NEVER), pending.deliver(resultOf("two"), NEVER)];
		expect([added, idsOf(pending.next()), idsOf(pending.next())]).toEqual([2, ["one", "two"], ["one", "two"]]);
		const error = { error: "conflict", message: "Another result came first.", details: { a: 1 }, suggestions: ["Stop."] };
		const answers = [
			{ attempt_id: "one", state: "succeeded", error: null },
			{ attempt_id: "two", state: null, error },
			{ attempt_id: "three", state: "failed", error: null },
		];
		expect(pending.settle(pending.next(), answers)).toBe(true);
		expect(await one).toBe("succeeded");
		expect(await two).toMatchObject({ code: "conflict", message: "Another result came first.", suggestions: ["Stop."] });
		expect([pending.size, pending.next()]).toEqual([0, []]);
	});

	test("go by the oldest first, as many as fit into one poll", () => {
		const pending = new PendingResults();
		for (let index = 0; index < MAX_RESULTS + 3; index += 1) void pending.deliver(resultOf(`small-${index}`), NEVER);
		expect(pending.next()).toHaveLength(MAX_RESULTS);
		const large = new PendingResults();
		const half = "x".repeat(MAX_RESULT_CHARS * 0.6);
		for (const name of ["first", "second"]) void large.deliver(resultOf(name, half), NEVER);
		expect(idsOf(large.next())).toEqual(["first"]);
	});

	test("of a poll that was rejected as a whole end with its error, to be sent alone; the others wait on", async () => {
		const pending = new PendingResults();
		const carried = pending.deliver(resultOf("carried"), NEVER);
		void pending.deliver(resultOf("later"), NEVER);
		const error = new ApiError("validation_failed", "One of them is not valid.");
		pending.reject([resultOf("carried")], error);
		expect(await carried).toBe(error);
		expect(idsOf(pending.next())).toEqual(["later"]);
	});

	test("that answers leave out three times go alone: the coordinator fails at them, and at no others", async () => {
		const pending = new PendingResults();
		const [spoilt, sound] = [pending.deliver(resultOf("spoilt"), NEVER), pending.deliver(resultOf("sound"), NEVER)];
		expect(pending.settle(pending.next(), [{ attempt_id: "sound", state: "succeeded", error: null }])).toBe(false);
		expect(await sound).toBe("succeeded");
		for (let poll = 1; poll < 3; poll += 1) expect(pending.settle(pending.next(), [])).toBe(false);
		expect([await spoilt, pending.size]).toEqual([undefined, 0]);
	});

	test("are dropped with their lease", async () => {
		const pending = new PendingResults();
		const lost = new AbortController();
		const delivery = pending.deliver(resultOf("one"), lost.signal);
		lost.abort(new Error("the lease is lost"));
		await expect(delivery).rejects.toThrow("the lease is lost");
		expect(pending.next()).toEqual([]);
		expect(() => pending.deliver(resultOf("two"), lost.signal)).toThrow("the lease is lost");
	});
});
