import type { TestCase } from "../../../schema/wire/resources.ts";
import { parseJunit } from "./junit.ts";
import type { ReportFile } from "./report_file.ts";
import { addCase, foldRetries } from "./test_cases.ts";

/**
 * The `test.xml` files of Bazel: JUnit's XML, one for each target, shard and run
 * (https://bazel.build/reference/test-encyclopedia). With `--flaky_test_attempts` the failed
 * attempts are in `test_attempts` beside it.
 */

const ATTEMPT = /\/?test_attempts\/attempt_\d+\.xml$/;
const FOLDER_OF_LOGS = /^(?:.*\/)?[^/]*testlogs\//;

/**
 * The cases of one target, with its attempts.
 * @throws ReportError if it is not a report of Bazel
 */
export async function readBazel(files: readonly ReportFile[]): Promise<TestCase[]> {
	const cases: TestCase[] = [];
	for (const file of files) {
		const target = targetOf(file.name);
		const [label = ""] = target.split(", ", 1);
		for (const one of parseJunit(await file.xml())) {
			// For a test without XML, Bazel writes a suite and a case with the target's name.
			const isTarget = one.suite === "" || label.replace(":", "/").endsWith(`/${one.suite}`);
			addCase(cases, { ...one, suite: isTarget ? target : `${target} › ${one.suite}` });
		}
	}
	return foldRetries(cases);
}

/** Groups reports by target: the failed attempts come before the last one, which counts. */
export function groupByTarget(files: readonly ReportFile[]): ReportFile[][] {
	const groups = new Map<string, ReportFile[]>();
	for (const file of files) {
		const target = targetOf(file.name);
		const group = groups.get(target) ?? [];
		groups.set(target, group);
		if (ATTEMPT.test(file.name)) group.unshift(file);
		else group.push(file);
	}
	return [...groups.values()];
}

/** bazel-testlogs/a/b/c/shard_1_of_2/test.xml is of //a/b:c, shard 1 of 2. */
function targetOf(file: string): string {
	const folders = file
		.replace(ATTEMPT, "")
		.replace(/\/?[^/]*\.xml$/, "")
		.replace(FOLDER_OF_LOGS, "")
		.split("/");
	const parts: string[] = [];
	while (/^(shard|run)_\d+_of_\d+$/.test(folders.at(-1) ?? "")) parts.unshift((folders.pop() as string).replaceAll("_", " "));
	const name = folders.pop() ?? "";
	return [`//${folders.join("/")}:${name}`, ...parts].join(", ");
}
