import * as z from "zod";
import type { SlicedWork } from "../../schema/pipeline/syntax/sliced_work.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { MAX_TESTS_BYTES } from "../../schema/wire/limits.ts";
import { type TestCase, testCase } from "../../schema/wire/resources.ts";
import { readArtifact } from "../artifacts/service.ts";
import { endOfString } from "../http/bounded_json.ts";
import { log } from "../platform/logger.ts";
import { withInternalTurn } from "../platform/turns.ts";
import { addTestResults, type Tested } from "./store.ts";

/** Test cases of an attempt: one JSON object in R2, and the history of tests in D1. */

/** Where the cases are. */
interface StoredCases {
	key: string;
	size: number;
}

/**
 * Adds the results of an attempt to the history. Unreadable cases are logged and ignored: an agent
 * wrote them, and a retry reads the same.
 */
export async function indexTests(
	environment: { DB: D1Database; BUCKET: R2Bucket },
	team: string,
	indexed: Omit<Tested, "team"> & StoredCases,
): Promise<void> {
	const cases = await readCases(environment.BUCKET, indexed);
	if (cases === null) log("warn", "cannot read test results", { attempt: indexed.attemptId });
	else await addTestResults(environment.DB, { ...indexed, team }, cases);
}

/** How many characters are parsed between two pauses. */
const PART_CHARACTERS = 64 * 1024;
const UNITS_OF_CHARACTER = 0.02;

/** Parses a list of cases in slices. @throws SyntaxError, ZodError */
function* readingCases(text: string): SlicedWork<TestCase[]> {
	const cases: TestCase[] = [];
	const sign = /["[\]{}]/g;
	let depth = 0;
	let part = text.indexOf("[") + 1;
	for (let found = sign.exec(text); found; found = sign.exec(text)) {
		if (found[0] === '"') sign.lastIndex = endOfString(text, found.index);
		else depth += found[0] === "[" || found[0] === "{" ? 1 : -1;
		// Between two cases: the text since the last pause is parsed as a list.
		const hasEnded = depth === 0 && found[0] === "]";
		if (!hasEnded && (depth !== 1 || found[0] !== "}" || found.index - part < PART_CHARACTERS)) continue;
		const end = hasEnded ? found.index : found.index + 1;
		const some = JSON.parse(`[${text.slice(part, end).replace(/^\s*,/, "")}]`);
		for (const one of z.array(testCase).parse(some)) cases.push(one);
		yield (end - part) * UNITS_OF_CHARACTER;
		part = end;
		if (hasEnded) {
			// Text after the list is an error.
			if (text.slice(end + 1).trim() !== "") break;
			return cases;
		}
	}
	throw new SyntaxError("the list of cases does not end");
}

/** The cases of an attempt; null if they are missing or invalid. */
export async function readCases(bucket: R2Bucket, { key, size }: StoredCases): Promise<TestCase[] | null> {
	if (size > MAX_TESTS_BYTES) return null;
	const body = await readArtifact(bucket, { key, size, part_bytes: null }, 0, size);
	if (!body) return null;
	try {
		const text = await new Response(body).text();
		return await withInternalTurn(readingCases(text));
	} catch (error) {
		// A full waiting line is no fact about the cases.
		if (error instanceof ApiError) throw error;
		return null;
	}
}
