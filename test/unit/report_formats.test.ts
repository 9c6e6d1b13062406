import { describe, expect, test } from "vitest";
import { read, readFiles, told } from "../support/reports.ts";

/** Formats of single languages and build tools. */

describe("libtest", () => {
	const TEXT = `   Compiling rep v0.1.0 (/w)
     Running unittests src/lib.rs (target/debug/deps/rep-1bf2015c3c48c9e2)

running 4 tests
test tests::good ... ok
test tests::later ... ignored, slow
test tests::bad ... FAILED
test tests::wanted - should panic ... \u001b[32mok\u001b[0m <0.250s>

failures:

---- tests::bad stdout ----
said

thread 'tests::bad' (9073) panicked at src/lib.rs:8:42:
assertion \`left == right\` failed


failures:
    tests::bad

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.22s

error: test failed, to rerun pass \`--lib\`
   Doc-tests rep

running 1 test
test src/lib.rs - f (line 1) - compile ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.11s
`;
	const JSON_EVENTS = [
		{ type: "suite", event: "started", test_count: 3 },
		{ type: "test", event: "started", name: "tests::bad" },
		{ type: "test", event: "started", name: "tests::good" },
		{ type: "test", name: "tests::good", event: "ok", exec_time: 0.25 },
		{ type: "test", name: "tests::later", event: "ignored", message: "slow" },
		{ type: "test", name: "tests::bad", event: "timeout" },
		{ type: "test", name: "tests::bad", event: "failed", stdout: "thread 'tests::bad' panicked at src/lib.rs:8:42:\nnope\n" },
		{ type: "suite", event: "failed", passed: 1, failed: 1, ignored: 1 },
	];
	const lines = (events: readonly object[]) => events.map((one) => `${JSON.stringify(one)}\n`).join("");

	test("the text: binaries and doc tests, what failed with its words, reasons, colors, times", async () => {
		const { cases } = await read("libtest", TEXT);
		expect(told(cases)).toEqual([
			"rep › tests::bad: failed",
			"rep › tests::good: passed",
			"rep › tests::later: skipped",
			"rep › tests::wanted: passed",
			"rep (doc tests) › src/lib.rs - f (line 1): passed",
		]);
		expect(cases[0]).toMatchObject({
			message: "thread 'tests::bad' (9073) panicked at src/lib.rs:8:42: assertion `left == right` failed",
			output: expect.stringMatching(/^said\n/),
		});
		expect([cases[2]?.message, cases[3]?.duration_ms]).toEqual(["slow", 250]);
	});

	test("the JSON", async () => {
		const { cases } = await read("libtest", lines(JSON_EVENTS));
		expect(told(cases)).toEqual([" › tests::bad: failed", " › tests::good: passed", " › tests::later: skipped"]);
		expect([cases[0]?.message, cases[1]?.duration_ms]).toEqual(["thread 'tests::bad' panicked at src/lib.rs:8:42: nope", 250]);
	});

	test("what broke off, as text and as JSON: a test that began has failed, and so has a binary", async () => {
		const aborted = "running 2 tests\ntest a ... ok\ntest b ... ";
		expect(told((await read("libtest", aborted)).cases)).toEqual([" › b: failed", " › a: passed"]);
		expect(told((await read("libtest", "running 2 tests\ntest a ... ok\nerror: test failed\n")).cases)).toEqual([
			" › (binary): failed",
			" › a: passed",
		]);
		expect(told((await read("libtest", lines(JSON_EVENTS.slice(0, 3)))).cases)).toEqual([
			" › tests::bad: failed",
			" › tests::good: failed",
		]);
		expect(told((await read("libtest", lines(JSON_EVENTS.slice(0, 1)))).cases)).toEqual([" › (binary): failed"]);
	});

	test("without capture a result stands below what the test printed, or is lost in it", async () => {
		const text = `running 3 tests
test a ... said
ok
test b ... saidok
test c ... okay then
saidFAILED

failures:
    c

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out
`;
		expect(told((await read("libtest", text)).cases)).toEqual([" › c: failed", " › a: passed", " › b: passed"]);
	});

	test("a crate that does not build, failures without a name, tests without names", async () => {
		const broken = "error[E0425]: cannot find value `x`\nerror: could not compile `rep` (lib test) due to 1 previous error\n";
		const { cases } = await read("libtest", broken);
		expect(told(cases)).toEqual(["rep › (build): failed"]);
		expect(cases[0]?.output).toContain("cannot find value");
		const nameless = "running 1 test\ntest a ... ok\ntest result: FAILED. 1 passed; 1 failed; 0 ignored;\n";
		expect(told((await read("libtest", nameless)).cases)).toEqual([" › (binary): failed", " › a: passed"]);
		const quiet = "running 2 tests\n..\ntest result: ok. 2 passed; 0 failed; 0 ignored;\n";
		expect((await read("libtest", quiet)).errors[0]).toContain("Leave --quiet out");
		expect((await read("libtest", "hello\n")).errors[0]).toContain("Write what `cargo test` prints");
	});
});

describe("automake", () => {
	test("a script, one of TAP with several results, expected and unexpected", async () => {
		const files = {
			"t/one.trs": ":test-result: PASS\n:global-test-result: PASS\n:recheck: no\n:copy-in-global-log: no\n",
			"t/two.trs":
				":test-result: PASS 1 - a\n:test-result: FAIL 2 - b\n:test-result: XFAIL 3\n:test-result: XPASS 4\n:test-result: SKIP 5\n",
			"t/three.trs": ":test-result: ERROR\n",
		};
		const { cases } = await readFiles(files, { automake: ["t/*.trs"] });
		expect(told(cases).sort()).toEqual([
			"t/one › (script): passed",
			"t/three › (script): failed",
			"t/two › 1 - a: passed",
			"t/two › 2 - b: failed",
			"t/two › 3: skipped",
			"t/two › 4: failed",
			"t/two › 5: skipped",
		]);
	});

	test("a script without a result has failed, and so has one that failed as a whole", async () => {
		expect((await read("automake", ":recheck: yes\n")).failures).toEqual(["report › (script)"]);
		expect((await read("automake", ":test-result: PASS 1\n:test-global-result: ERROR\n")).failures).toEqual(["report › (whole script)"]);
	});

	test("a log and an unknown result are errors", async () => {
		expect((await read("automake", "PASS: a\n")).errors[0]).toContain("line 1: it is not a field of a .trs file");
		expect((await read("automake", ":test-result: MAYBE\n")).errors[0]).toContain("the result MAYBE is unknown");
	});
});

describe("TRX", () => {
	const of = (results: string, summary = '<ResultSummary outcome="Completed"/>') => `<?xml version="1.0" encoding="utf-8"?>
		<TestRun xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010"><Results>${results}</Results>
		<TestDefinitions><UnitTest name="A" id="1"><TestMethod className="N.K" name="A"/></UnitTest></TestDefinitions>${summary}</TestRun>`;
	const result = (outcome: string, inside = "", id = "1") =>
		`<UnitTestResult testId="${id}" testName="N.K.A" duration="00:01:02.5000000"${outcome && ` outcome="${outcome}"`}>${inside}</UnitTestResult>`;

	test("names, classes, times, what failed and why", async () => {
		const info =
			"<Output><StdOut>printed</StdOut><ErrorInfo><Message>not 1\nbut 2</Message><StackTrace>at N.K.A()</StackTrace></ErrorInfo></Output>";
		const { cases } = await read("trx", of(result("Failed", info)));
		expect(cases).toEqual([expect.objectContaining({ suite: "N.K", name: "A", state: "failed", duration_ms: 62_500, message: "not 1" })]);
		expect(cases[0]?.output).toBe("not 1\nbut 2\n\nat N.K.A()\n\nprinted");
	});

	test.each([
		["Passed", "passed"],
		["PassedButRunAborted", "passed"],
		["NotExecuted", "skipped"],
		["Inconclusive", "skipped"],
		["Error", "failed"],
		["Timeout", "failed"],
		["Aborted", "failed"],
		["InProgress", "failed"],
		["NotRunnable", "failed"],
		["Disconnected", "failed"],
		["", "failed"],
	])("the outcome %j is %s", async (outcome, state) => {
		expect((await read("trx", of(result(outcome)))).cases.map((one) => one.state)).toEqual([state]);
	});

	test("rows of data count in place of their sum; a second try makes a test flaky; a crash of the host fails the run", async () => {
		const rows = `<InnerResults>${result("Passed")}${result("Failed")}</InnerResults>`;
		expect((await read("trx", of(result("Failed", rows)))).tests).toMatchObject({ passed: 1, failed: 1 });
		expect(told((await read("trx", of(result("Failed") + result("Passed")))).cases)).toEqual(["N.K › A: flaky"]);
		const crash =
			'<ResultSummary outcome="Failed"><RunInfos><RunInfo outcome="Error"><Text>The test host crashed.</Text></RunInfo></RunInfos></ResultSummary>';
		const { cases } = await read("trx", of(result("Passed"), crash));
		expect([told(cases), cases[0]?.message]).toEqual([[" › (run): failed", "N.K › A: passed"], "The test host crashed."]);
		expect((await read("trx", "<testsuites/>")).errors[0]).toContain("it has no TestRun, but testsuites");
	});
});

describe("Bazel", () => {
	const plain = (inside: string) => `<testsuites><testsuite name="a/b/t" tests="1"><testcase name="a/b/t" time="1">${inside}</testcase>
		<system-out>Generated test.log\n<![CDATA[what it wrote]]></system-out></testsuite></testsuites>`;
	const unit = (inside: string) =>
		`<testsuites><testsuite name="S"><testcase name="x" classname="S">${inside}</testcase></testsuite></testsuites>`;
	const failed = '<error message="exited with error code 1"></error>';

	test("tests are of their targets, with the log of the target", async () => {
		const files = { "copy/bazel-testlogs/a/b/t/test.xml": plain(failed), "testlogs/c/u/test.xml": unit("") };
		const { cases } = await readFiles(files, { bazel: ["**/test.xml"] });
		expect(told(cases)).toEqual(["//a/b:t › a/b/t: failed", "//c:u › S › x: passed"]);
		expect(cases[0]).toMatchObject({ message: "exited with error code 1", output: "Generated test.log\nwhat it wrote" });
	});

	test("a target that passed in a later attempt is flaky; one that did not has failed", async () => {
		const files = {
			"testlogs/a/b/t/test.xml": plain(""),
			"testlogs/a/b/t/test_attempts/attempt_1.xml": plain(failed),
			"testlogs/c/u/test.xml": unit("<failure/>"),
			"testlogs/c/u/test_attempts/attempt_1.xml": unit("<failure/>"),
		};
		const { tests, flaky, failures } = await readFiles(files, { bazel: ["testlogs/**/*.xml"] });
		expect([tests?.flaky, flaky, [...new Set(failures)]]).toEqual([1, ["//a/b:t › a/b/t"], ["//c:u › S › x"]]);
	});

	test("shards and runs of a target are no attempts of each other", async () => {
		const files = {
			"testlogs/a/b/t/shard_1_of_2/test.xml": plain(failed),
			"testlogs/a/b/t/shard_2_of_2/test.xml": plain(""),
			"testlogs/a/b/t/shard_2_of_2/run_1_of_2/test.xml": plain(""),
		};
		const { cases, tests } = await readFiles(files, { bazel: ["testlogs/**/*.xml"] });
		expect([tests?.failed, tests?.flaky]).toEqual([1, 0]);
		expect(cases.map(({ suite }) => suite).sort()).toEqual([
			"//a/b:t, shard 1 of 2",
			"//a/b:t, shard 2 of 2",
			"//a/b:t, shard 2 of 2, run 1 of 2",
		]);
	});
});
