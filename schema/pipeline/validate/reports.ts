import * as z from "zod";
import { RETRIES, TEST_REPORT_KINDS } from "../../wire/work.ts";
import { globs } from "./pattern_values.ts";
import { flag, strict } from "./values.ts";

/** `reports`: the files in which tools report tests and coverage. */

const coverage = strict({
	lcov: globs(20).optional().describe("Tracefiles of lcov."),
	cobertura: globs(20).optional().describe("Cobertura XML."),
	go: globs(20).optional().describe("The profile of `go test -coverprofile`."),
}).refine((value) => Object.keys(value).length === 1, "`coverage` needs one of `lcov`, `cobertura` and `go`.");

const KINDS = TEST_REPORT_KINDS.join(", ");

export const reports = strict({
	junit: globs(20).optional().describe("JUnit XML."),
	go_test: globs(20).optional().describe("The output of `go test -json`. A package that does not build is a failed test."),
	tap: globs(20).optional().describe("The Test Anything Protocol."),
	libtest: globs(20).optional().describe("The output of `cargo test`, as text or as JSON."),
	automake: globs(20).optional().describe("The `.trs` files of automake's tests."),
	trx: globs(20).optional().describe("TRX, as `dotnet test --logger trx` writes it."),
	bazel: globs(20).optional().describe("The `test.xml` files of Bazel, with those in `test_attempts`."),
	coverage: coverage.optional().describe("The lines that the tests have run, in one of three formats."),
	allow_empty: flag.optional().describe("Whether reports without a test are accepted. Default: `false`, they fail the job."),
	retries: z
		.enum(RETRIES)
		.optional()
		.describe("For a test that failed and then passed in one report: `flaky` (the default) lets the job succeed, `fail` fails it."),
})
	.refine((value) => value.coverage !== undefined || TEST_REPORT_KINDS.some((kind) => value[kind] !== undefined), {
		message: `\`reports\` names no report. Write one of ${KINDS} and coverage.`,
	})
	.refine((value) => value.retries === undefined || TEST_REPORT_KINDS.some((kind) => value[kind] !== undefined), {
		path: ["retries"],
		message: `\`retries\` needs a test report: one of ${KINDS}.`,
	});
