import * as z from "zod";
import { MAX_TESTS_BYTES } from "../../schema/wire/limits.ts";
import { type TestCase, testCase } from "../../schema/wire/resources.ts";
import { readArtifact } from "../artifacts/objects.ts";
import { addTestResults, type Tested } from "../catalog/tests.ts";
import { log } from "../log.ts";

/** The test cases that an attempt has reported: one JSON in R2, and their results in the history of the tests. */

/** Where the cases lie. */
interface StoredCases {
	key: string;
	size: number;
}

/** Adds the results of an attempt to the history. Cases that cannot be read are none: an agent wrote them, and nobody will mend them. */
export async function indexTests(
	environment: { DB: D1Database; BUCKET: R2Bucket },
	team: string,
	indexed: Omit<Tested, "team"> & StoredCases,
): Promise<void> {
	const cases = await readCases(environment.BUCKET, indexed);
	if (cases === null) log("warn", "test results cannot be read", { attempt: indexed.attemptId });
	else await addTestResults(environment.DB, { ...indexed, team }, cases);
}

/** The cases of an attempt; null if they are not there, or are none. */
export async function readCases(bucket: R2Bucket, { key, size }: StoredCases): Promise<TestCase[] | null> {
	if (size > MAX_TESTS_BYTES) return null;
	const body = await readArtifact(bucket, { key, size, part_bytes: null }, 0, size);
	if (!body) return null;
	try {
		const parsed = z.array(testCase).safeParse(await new Response(body).json());
		return parsed.success ? parsed.data : null;
	} catch {
		return null;
	}
}
