import { describe, expect, test } from "vitest";
import type { TestReportKind } from "../../schema/wire/work.ts";
import { coverage, NONE, read, readFiles, told } from "../support/reports.ts";

describe("junit", () => {
	test("nested suites, failures, errors, skipped, output, entities, times", async () => {
		const { cases, tests, failures } = await read(
			"junit",
			`<?xml version="1.0"?><testsuites><testsuite name="outer"><testsuite name="in &amp; out">
				<testcase name="a" time="1.5"/>
				<testcase name="b" classname="k.K" file="k.py"><failure message="1 &lt; 2"><![CDATA[at <line> 3]]></failure><system-out>printed</system-out></testcase>
				<testcase name="c"><error>crash</error></testcase><testcase name="d"><skipped/></testcase></testsuite></testsuite></testsuites>`,
		);
		expect(told(cases)).toEqual(["k.K › b: failed", "in & out › c: failed", "in & out › a: passed", "in & out › d: skipped"]);
		expect(cases[0]).toMatchObject({ message: "1 < 2", output: "at <line> 3\n\nprinted", file: "k.py" });
		expect([tests, failures]).toEqual([
			{ passed: 1, failed: 2, skipped: 1, flaky: 0, duration_ms: 1500, truncated: false },
			["k.K › b", "in & out › c"],
		]);
	});

	test("a single suite at the top; one without cases", async () => {
		expect((await read("junit", '<testsuite name="s"><testcase name="a"/></testsuite>')).tests?.passed).toBe(1);
		expect((await read("junit", "<testsuites/>", { allow_empty: true })).tests).toMatchObject({ passed: 0, failed: 0 });
	});

	test.each([
		["no XML", "hello", /neither testsuites nor testsuite|cannot be read/],
		["cut off", "<testsuites><testsuite>", /cannot be read as junit/],
		["another document", "<html></html>", /neither testsuites nor testsuite/],
		[
			"one with entities",
			'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&x;"/></testsuite>',
			/entities/i,
		],
		["one that multiplies", '<!DOCTYPE a [<!ENTITY x "xxxxxxxx"><!ENTITY y "&x;&x;">]><testsuite name="&y;"/>', /it declares entities/],
	])("%s is a fault, and no test", async (_, text, message) => {
		const { errors, cases } = await read("junit", text);
		expect([cases, errors]).toEqual([[], [expect.stringMatching(message)]]);
	});

	test("what looks like a declaration is none in text that is quoted, or left out; a document type alone is no harm", async () => {
		const quoted = '<![CDATA[<!DOCTYPE a [<!ENTITY x "y">]>&#65;]]>';
		const text = `<!DOCTYPE testsuite><!-- <!ENTITY x "y"> --><testsuite name="s"><testcase name="&x;"><failure>${quoted}</failure></testcase></testsuite>`;
		const { cases, errors } = await read("junit", text);
		expect([errors, cases[0]?.name, cases[0]?.output]).toEqual([[], "&x;", '<!DOCTYPE a [<!ENTITY x "y">]>&#65;']);
	});

	test("characters that are given by their number", async () => {
		const numbers = "caf&#233;&#xE9;&#10;&#x1F600; &amp;#65; &#0; &#xD800; &#x110000; &#99999999999;";
		const characters = "caféé\n😀 &#65; &#0; &#xD800; &#x110000; &#99999999999;";
		const { cases } = await read("junit", `<testsuite><testcase name="${numbers}"><failure>${numbers}</failure></testcase></testsuite>`);
		expect([cases[0]?.name, cases[0]?.output]).toEqual([characters, characters]);
	});

	test.each([
		["errors of a suite without cases", '<testsuite name="b" tests="0" errors="1"><system-err>Cannot load x</system-err></testsuite>', "b"],
		["failures of the whole document", '<testsuite name="b"><testcase name="a"/></testsuite>', "", ' failures="3"'],
		["an error element in a suite", '<testsuite name="b"><error message="no">stack</error><testcase name="a"/></testsuite>', "b"],
		["an error in a suite of a suite", '<testsuite name="o"><testsuite name="i" errors="1"/></testsuite>', "i"],
		["the status of a suite", '<testsuite name="b" status="failed"><testcase name="a"/></testsuite>', "b"],
		["a count in the way of another locale", '<testsuite name="b" failures="1,0"><testcase name="a"/></testsuite>', "b"],
	])("%s: the suite has failed, once", async (_, suites, suite, attributes = "") => {
		const { cases } = await read("junit", `<testsuites${attributes}>${suites}</testsuites>`);
		expect(told(cases.filter(({ state }) => state === "failed"))).toEqual([`${suite} › (suite): failed`]);
	});

	test("what a suite writes explains its failure, and that of a case that says nothing", async () => {
		const alone = await read("junit", '<testsuite name="b" errors="1"><system-err>Cannot load x</system-err></testsuite>');
		expect(alone.cases[0]).toMatchObject({ message: expect.stringContaining("states 1 failures and errors"), output: "Cannot load x" });
		const silent = await read(
			"junit",
			'<testsuite><testcase name="a"><error message="exit 1"/></testcase><system-out>why</system-out></testsuite>',
		);
		expect(silent.cases[0]).toMatchObject({ message: "exit 1", output: "why" });
	});

	test("counts that the cases explain add nothing, be they of a suite or of all", async () => {
		const cases = '<testcase name="a"><failure/><failure/></testcase><testcase name="b"><error/></testcase>';
		const { tests } = await read(
			"junit",
			`<testsuites failures="1" errors="1"><testsuite failures="1" errors="1">${cases}</testsuite></testsuites>`,
		);
		expect(tests).toMatchObject({ passed: 0, failed: 2 });
	});

	test.each([
		['status="failed"', "failed"],
		['status="fail"', "failed"],
		['result="Failure"', "failed"],
		['status="error"', "failed"],
		['status="timed_out"', "failed"],
		['status="run" result="interrupted"', "failed"],
		['executed="True" success="False"', "failed"],
		['status="run" result="completed"', "passed"],
		['status="passed"', "passed"],
		['executed="True" success="True"', "passed"],
		// GoogleTest and CTest
		['status="notrun" result="suppressed"', "skipped"],
		['status="notrun"', "skipped"],
		['status="disabled"', "skipped"],
		['status="run" result="skipped"', "skipped"],
		['disabled="true"', "skipped"],
		['executed="False"', "skipped"],
	])("a case with %s has %s", async (attributes, state) => {
		const { cases } = await read("junit", `<testsuite><testcase name="a" ${attributes}/></testsuite>`);
		expect(cases.map((one) => one.state)).toEqual([state]);
	});

	test("CTest fails for a test without its program, and writes it as skipped", async () => {
		const of = (message: string) => `<testsuite><testcase name="a" status="notrun"><skipped message="${message}"/></testcase></testsuite>`;
		expect((await read("junit", of("Unable to find executable"))).tests?.failed).toBe(1);
		expect((await read("junit", of("SKIP_RETURN_CODE=77"))).tests?.skipped).toBe(1);
	});

	test.each([
		[
			"gotestsum: a case for each try",
			'<testcase classname="p" name="A"><failure message="no">boom</failure></testcase><testcase classname="p" name="A"/>',
		],
		[
			"pytest: the last of three",
			`${'<testcase name="A"><error message="no">boom</error></testcase>'.repeat(2)}<testcase name="A" time="1"/>`,
		],
		["surefire: flakyFailure", '<testcase classname="p" name="A"><flakyFailure message="no">boom</flakyFailure></testcase>'],
		["surefire: flakyError", '<testcase classname="p" name="A"><flakyError message="no">boom</flakyError></testcase>'],
		["a failed try of one that passed", '<testcase classname="p" name="A"><rerunFailure message="no">boom</rerunFailure></testcase>'],
	])("%s: a test that failed and then passed is flaky; with retries: fail it has failed", async (_, cases) => {
		const text = `<testsuites failures="1"><testsuite name="p" failures="1">${cases}</testsuite></testsuites>`;
		const lenient = await read("junit", text);
		expect([told(lenient.cases), lenient.failures, lenient.flaky]).toEqual([["p › A: flaky"], [], ["p › A"]]);
		expect(lenient.tests).toMatchObject({ passed: 1, failed: 0, flaky: 1 });
		expect(lenient.cases[0]).toMatchObject({ state: "passed", message: "no", output: expect.stringContaining("boom") });
		const strict = await read("junit", text, { retries: "fail" });
		expect([told(strict.cases), strict.tests]).toEqual([["p › A: failed"], expect.objectContaining({ passed: 0, failed: 1, flaky: 0 })]);
	});

	test.each([
		["a test that passed and then failed", '<testsuite><testcase name="A"/><testcase name="A"><failure/></testcase></testsuite>'],
		["one that failed in every try", '<testsuite><testcase name="A"><failure/><rerunFailure/></testcase></testsuite>'],
		[
			"one of another suite",
			'<testsuite name="x"><testcase name="A"><failure/></testcase></testsuite><testsuite name="x"><testcase name="A"/></testsuite>',
		],
		["one of another file", '<testsuite><testcase name="A" file="a"><failure/></testcase><testcase name="A" file="b"/></testsuite>'],
		[
			"one of another class",
			'<testsuite><testcase name="A" classname="a"><failure/></testcase><testcase name="A" classname="b"/></testsuite>',
		],
	])("%s has failed, and is not flaky", async (_, suites) => {
		expect((await read("junit", `<testsuites>${suites}</testsuites>`)).tests).toMatchObject({ failed: 1, flaky: 0 });
	});

	test.each([
		["1,234.5", 1_234_500],
		["1.234,5", 1_234_500],
		["0,123", 123],
		["1,234", 1_234],
		["1,234,567.25", 1_234_567_250],
		["1 234,5", 1_234_500],
		["1’234.5", 1_234_500],
		["1.5E-2", 15],
		["-3", 0],
		["NaN", 0],
		["soon", 0],
		["1e300", 30 * 86_400_000],
	])("a time of %s is read in the way of its locale", async (time, milliseconds) => {
		const { cases } = await read("junit", `<testsuite><testcase name="a" time="${time}"/></testsuite>`);
		expect(cases[0]?.duration_ms).toBeCloseTo(milliseconds, 6);
	});

	test("what is too much is left out, failures last", async () => {
		const many = Array.from({ length: 21_000 }, (_, index) => `<testcase name="t${index}"/>`).join("");
		const { tests, cases } = await read(
			"junit",
			`<testsuite name="s">${many}<testcase name="bad"><failure>${"x".repeat(40_000)}</failure></testcase></testsuite>`,
		);
		expect([tests?.passed, tests?.truncated, cases.length, cases[0]?.name]).toEqual([21_000, true, 20_000, "bad"]);
		expect(cases[0]?.output?.length).toBeLessThan(17_000);
	});
});

describe("encodings", () => {
	const of = (encoding: string) => `<?xml version="1.0" encoding="${encoding}"?><testsuite><testcase name="Grüße"/></testsuite>`;
	const swapped = (text: string) => Buffer.from(text, "utf16le").swap16();

	test.each([
		["UTF-8 with a byte order mark", Buffer.from(`\ufeff${of("UTF-8")}`)],
		["UTF-16, little end first", Buffer.from(`\ufeff${of("utf-16")}`, "utf16le")],
		["UTF-16, big end first", swapped(`\ufeff${of("utf-16")}`)],
		["UTF-16 without a byte order mark", Buffer.from(of("UTF-16LE"), "utf16le")],
		["UTF-16 without one, big end first", swapped(of("UTF-16BE"))],
		["Latin-1, as declared", Buffer.from(of("ISO-8859-1"), "latin1")],
		["windows-1252, in single quotes", Buffer.from(of("windows-1252").replaceAll('"', "'"), "latin1")],
		["a byte order mark against the declaration", Buffer.from(`\ufeff${of("ISO-8859-1")}`)],
		["UTF-8 that is declared as UTF-16, as .NET writes it", Buffer.from(of("utf-16"))],
	])("%s", async (_, bytes) => {
		const { cases, errors } = await read("junit", bytes);
		expect([errors, cases.map(({ name }) => name)]).toEqual([[], ["Grüße"]]);
	});

	test("the error names an unknown encoding", async () => {
		const { errors } = await read("junit", of("EBCDIC-37"));
		expect(errors).toEqual([
			"The report report cannot be read as junit: its encoding EBCDIC-37 is not supported. Write the report in UTF-8.",
		]);
	});

	test("text: PowerShell writes UTF-16 where output goes to a file", async () => {
		expect(told((await read("tap", Buffer.from("\ufeffok 1 - ü\r\n1..1\r\n", "utf16le"))).cases)).toEqual([" › ü: passed"]);
		const event = '{"Action":"pass","Package":"p","Test":"T"}\n';
		expect(told((await read("go_test", Buffer.from(`\ufeff${event}`, "utf16le"))).cases)).toEqual(["p › T: passed"]);
		expect((await coverage("lcov", "\ufeffSF:a\nDA:1,1\n")).coverage).toEqual({ covered: 1, lines: 1 });
	});
});

describe("the error of a malformed document is ours, with the line", () => {
	test.each([
		["<testsuite>\n<testcase>\n</testsuite>", "line 3: an end tag does not match. The element testcase is open."],
		[
			"<testsuites>\n<testsuite>",
			"line 2: the element testsuite is never closed. The tool that wrote the report may have been ended early.",
		],
		["<testsuite>\n\n<testcase name=a/>", 'line 3: the tag of the element testcase is malformed. Write "&lt;" where "<" is text.'],
		["<testsuite/>\n<testsuite/>", "line 2: a second document begins. Write one document to a file."],
		[
			"Running tests\n<testsuite/>",
			"line 1: there is text before the first element. Check that the tool writes nothing but XML to this file.",
		],
		["<testsuite>a < b</testsuite>", 'line 1: the tag of the element b is malformed. Write "&lt;" where "<" is text.'],
		[
			"<testsuite><![CDATA[x</testsuite>",
			"line 1: the element testsuite is never closed. The tool that wrote the report may have been ended early.",
		],
		["<TestRun/>", "it has neither testsuites nor testsuite, but TestRun. It is a TRX report: name it under `trx`."],
	])("%j", async (text, problem) => {
		expect((await read("junit", text)).errors).toEqual([`The report report cannot be read as junit: ${problem}`]);
	});

	test("elements and references that multiply cost time by their length, and little memory", async () => {
		const many = "<a>&#65;</a>".repeat(400_000);
		const { tests } = await read("junit", `<testsuite>${many}<testcase name="a"/>${"a & b".repeat(1_000)}</testsuite>`);
		expect(tests?.passed).toBe(1);
		const broken = `<testsuite><testcase name="a"/>${"&#000".repeat(100_000)}</testsuite>`;
		expect((await read("junit", broken)).errors[0]).toContain("breaks the rules of XML more than");
		expect((await read("junit", "<testsuites>".repeat(300))).errors[0]).toMatch(/nested more than/);
		expect((await read("junit", `<!DOCTYPE a [${"<!--".repeat(200_000)}`)).errors[0]).toContain("breaks the rules of XML more than");
	});
});

describe("a report without a test", () => {
	const EMPTY: [TestReportKind, string][] = [
		["junit", "<testsuites/>"],
		["junit", ""],
		["tap", "1..0\n"],
		["go_test", '{"Action":"skip","Package":"p"}\n'],
		["libtest", "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n"],
		["trx", "<TestRun><Results/></TestRun>"],
		["automake", ""],
		["bazel", "<testsuites/>"],
	];
	test.each(EMPTY)("%s %j fails the job, and with allow_empty it does not", async (kind, text) => {
		const { errors } = await read(kind, text);
		expect(errors).toEqual([expect.stringContaining("`reports.allow_empty: true`")]);
		expect(errors[0]).toContain("report");
		const lenient = await read(kind, text, { allow_empty: true });
		expect([lenient.errors, lenient.tests]).toEqual([[], expect.objectContaining({ passed: 0, failed: 0 })]);
	});

	test("coverage of no line, too", async () => {
		expect((await coverage("lcov", "SF:a\n")).errors).toEqual([expect.stringContaining("`reports.allow_empty: true`")]);
		const { errors } = await readFiles({ c: "" }, { allow_empty: true, coverage: { format: "lcov", files: ["c"] } });
		expect(errors).toEqual([]);
	});

	test("beside others that hold tests one may be empty, as for Jenkins; one without a byte may not", async () => {
		const full = '<testsuite><testcase name="a"/></testsuite>';
		expect((await readFiles({ "a.xml": full, "b.xml": "<testsuites/>" }, { junit: ["*.xml"] })).errors).toEqual([]);
		expect((await readFiles({ "a.xml": full, "b.xml": "" }, { junit: ["*.xml"] })).errors).toEqual([
			expect.stringContaining("b.xml is empty"),
		]);
	});

	test("allow_empty excuses neither a report that is not there nor a malformed one", async () => {
		expect((await readFiles({}, { junit: ["*.xml"], allow_empty: true })).errors).toHaveLength(1);
		expect((await read("junit", "<testsuites>", { allow_empty: true })).errors).toHaveLength(1);
	});
});

describe("go test -json", () => {
	const event = (value: object) => `${JSON.stringify(value)}\n`;

	test("tests and subtests, what failed with its words, a package that does not build, one that panics", async () => {
		const { cases, failures } = await read(
			"go_test",
			[
				event({ Action: "run", Package: "m/a", Test: "TestX" }),
				event({ Action: "output", Package: "m/a", Test: "TestX", Output: "=== RUN   TestX\n" }),
				event({ Action: "output", Package: "m/a", Test: "TestX", Output: "    x_test.go:5: got 1, want 2\n" }),
				event({ Action: "fail", Package: "m/a", Test: "TestX", Elapsed: 0.25 }),
				event({ Action: "pass", Package: "m/a", Test: "TestY/sub", Elapsed: 0 }),
				event({ Action: "skip", Package: "m/a", Test: "TestZ" }),
				event({ Action: "fail", Package: "m/a", Elapsed: 1 }),
				event({ ImportPath: "m/b [m/b.test]", Action: "build-output", Output: "b.go:3:1: undefined: nope\n" }),
				event({ ImportPath: "m/b [m/b.test]", Action: "build-fail" }),
				event({ Action: "fail", Package: "m/b", FailedBuild: "m/b [m/b.test]" }),
				event({ Action: "output", Package: "m/c", Output: "panic: boom\n" }),
				event({ Action: "fail", Package: "m/c" }),
				"# m/d\nd.go:1: syntax error\n",
				event({ Action: "output", Package: "m/d", Output: "FAIL\tm/d [build failed]\n" }),
				event({ Action: "fail", Package: "m/d" }),
			].join(""),
		);
		expect(failures).toEqual(["m/a › TestX", "m/b › (build)", "m/c › (package)", "m/d › (build)"]);
		expect(cases.map(({ message }) => message).slice(0, 4)).toEqual([
			"x_test.go:5: got 1, want 2",
			"b.go:3:1: undefined: nope",
			"panic: boom",
			"d.go:1: syntax error",
		]);
		expect(told(cases).slice(4)).toEqual(["m/a › TestY/sub: passed", "m/a › TestZ: skipped"]);
		expect(cases[0]?.duration_ms).toBe(250);
	});

	const ofTest = (Action: string, Test: string, more: object = {}) => event({ Action, Package: "p", Test, ...more });
	const ofPackage = (Action: string) => event({ Action, Package: "p" });

	test("what broke off: tests that began and never ended have failed", async () => {
		const panic = ofTest("run", "T") + ofTest("output", "T", { Output: "panic: boom\n" }) + ofTest("run", "U");
		const { cases } = await read("go_test", panic);
		expect(told(cases)).toEqual(["p › T: failed", "p › U: failed"]);
		expect(cases[0]?.message).toBe("The test began and never ended. panic: boom");
		const ended = panic + ofTest("fail", "T") + ofPackage("fail");
		expect(told((await read("go_test", ended)).cases)).toEqual(["p › T: failed", "p › U: failed"]);
	});

	test("a package that began and never ended, between two tests or before the first, has failed", async () => {
		const { cases } = await read("go_test", ofPackage("start") + ofTest("run", "T") + ofTest("pass", "T"));
		expect(told(cases)).toEqual(["p › (package): failed", "p › T: passed"]);
		expect(told((await read("go_test", ofPackage("start"))).cases)).toEqual(["p › (package): failed"]);
	});

	test("an event that was cut off", async () => {
		const { cases } = await read("go_test", `${ofTest("pass", "T")}${ofPackage("pass")}{"Action":"sta`);
		expect(told(cases)).toEqual([" › (interrupted): failed", "p › T: passed"]);
	});

	test("as for gotestsum, a part without an end is none of a test that passed; a benchmark has no end", async () => {
		const part = ofTest("run", "T") + ofTest("run", "T/x") + ofTest("pass", "T") + ofTest("run", "BenchmarkB") + ofPackage("pass");
		expect(told((await read("go_test", part)).cases)).toEqual(["p › T: passed", "p › BenchmarkB: passed"]);
	});

	test("a test that gotestsum ran again and that passed is flaky; with -count, one failure fails it", async () => {
		const failed = ofTest("run", "T") + ofTest("output", "T", { Output: "no\n" }) + ofTest("fail", "T");
		const passed = ofTest("run", "T") + ofTest("pass", "T");
		const again = failed + ofPackage("fail") + passed + ofPackage("pass");
		const { cases, tests } = await read("go_test", again);
		expect([told(cases), cases[0]?.message, tests]).toEqual([
			["p › T: flaky"],
			"no",
			expect.objectContaining({ passed: 1, failed: 0, flaky: 1 }),
		]);
		expect(told((await read("go_test", again, { retries: "fail" })).cases)).toEqual(["p › T: failed"]);
		expect(told((await read("go_test", failed + passed + ofPackage("fail"))).cases)).toEqual(["p › T: failed"]);
		expect(told((await read("go_test", failed + ofPackage("fail") + failed + ofPackage("fail"))).cases)).toEqual(["p › T: failed"]);
	});

	test("a package that failed beside its tests stays failed when others of it pass later", async () => {
		const { cases } = await read("go_test", ofTest("pass", "T") + ofPackage("fail") + ofTest("pass", "T") + ofPackage("pass"));
		expect(told(cases)).toEqual(["p › (package): failed", "p › T: passed"]);
	});

	test("what go build -json writes: a package whose dependency does not build", async () => {
		const text =
			event({ ImportPath: "d", Action: "build-output", Output: "# d\nd.go:1:1: nope\n" }) +
			event({ ImportPath: "d", Action: "build-fail" }) +
			event({ Action: "start", Package: "p" }) +
			event({ Action: "output", Package: "p", Output: "FAIL\tp [build failed]\n" }) +
			event({ Action: "fail", Package: "p", FailedBuild: "d" });
		const { cases } = await read("go_test", text);
		expect(told(cases)).toEqual(["d › (build): failed", "p › (build): failed"]);
		expect(cases.map(({ message }) => message)).toEqual(["d.go:1:1: nope", "d cannot be built."]);
	});

	test("events with fields of other kinds, and very many, cost time by their length", async () => {
		const odd = event({ Action: "pass", Package: 1, Test: "T", Elapsed: "x", Output: {} });
		expect((await read("go_test", odd)).cases).toEqual([expect.objectContaining({ suite: "", name: "T", duration_ms: 0 })]);
		const many = Array.from({ length: 60_000 }, (_, index) => ofTest("run", String(index))).join("") + ofPackage("pass").repeat(60_000);
		expect((await read("go_test", many)).tests?.failed).toBe(60_000);
	});

	test("a text without an event is an error", async () => expect((await read("go_test", "PASS\nok  m 0.1s\n")).errors).toHaveLength(1));
});

describe("TAP", () => {
	test("as Node's test runner writes it: subtests in suites, durations, what failed and why", async () => {
		const { cases } = await read(
			"tap",
			`TAP version 13
# Subtest: outer
    # Subtest: inner
    ok 1 - inner
      ---
      duration_ms: 1.5
      ...
    # Subtest: bad
    not ok 2 - bad
      ---
      duration_ms: 2
      error: 'it was 3'
      ...
    1..2
not ok 1 - outer
  ---
  duration_ms: 9
  ...
# Subtest: alone
ok 2 - alone # SKIP no time
ok 3 - later # TODO
not ok 4 - wanted # TODO some day
1..4
`,
		);
		expect(told(cases)).toEqual([
			"outer › bad: failed",
			"outer › inner: passed",
			" › alone: skipped",
			" › later: passed",
			" › wanted: skipped",
		]);
		expect(cases[0]).toMatchObject({ message: "it was 3", duration_ms: 2 });
	});

	test("a plan of TAP that was not kept, a bail-out, and an empty report are errors", async () => {
		expect(told((await read("tap", "1..3\nok 1 - a\nok 2\n")).cases)).toEqual([" › (plan): failed", " › a: passed", " › test 2: passed"]);
		expect(told((await read("tap", "1..2\nok 1 - a\nBail out! no database\n")).cases)).toEqual([" › (bail out): failed", " › a: passed"]);
		expect((await read("tap", "hello\n")).errors[0]).toContain("it holds no test");
		expect(told((await read("tap", "1..0 # SKIP nothing here\n")).cases)).toEqual([" › (all): skipped"]);
	});

	test.each([
		["more tests than planned", "1..1\nok 1 - a\nok 2 - b\n", " › (plan): failed"],
		["no plan at all, as for prove: interrupted output has none", "ok 1 - a\n", " › (plan): failed"],
		["fewer subtests than planned", "    1..2\n    ok 1 - x\nok 1 - a\n1..1\n", "a › (plan): failed"],
		["a bail-out of a subtest", "1..2\n    ok 1 - x\n    bail out! gone\n", " › (bail out): failed"],
		["subtests without their parent", "    ok 1 - x\n", " › (plan): failed"],
	])("%s", async (_, text, failed) => {
		expect(told((await read("tap", text)).cases.filter(({ state }) => state === "failed"))).toEqual([failed]);
	});

	test("details that do not end hide no later test; their own lines are none", async () => {
		const text = "not ok 1 - a\n  ---\n  message: 'no'\n  diff: |\n    ok 2 - text\nnot ok 2 - b\n1..2\n";
		expect(told((await read("tap", text)).cases)).toEqual([" › a: failed", " › b: failed"]);
	});

	test("a long line of blanks costs time by its length", async () => {
		const text = `not ok 1 - a\n  ---\n  message: a${" ".repeat(300_000)}b\n  ...\n1..1\n`;
		expect((await read("tap", text)).cases[0]?.message?.length).toBeGreaterThan(10_000);
	});
});

describe("coverage", () => {
	test("lcov: lines that several files speak of are counted once", async () => {
		const { coverage: totals } = await coverage(
			"lcov",
			"SF:a\nDA:1,0\nDA:2,0\nend_of_record\n",
			"SF:a\nDA:1,3\nend_of_record\nSF:b\nDA:1,1\nend_of_record\n",
		);
		expect(totals).toEqual({ covered: 2, lines: 3 });
	});

	test("cobertura: classes wherever they are; its own document type is no harm", async () => {
		const text = `<?xml version="1.0"?><!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd"><coverage><packages><package><classes>
			<class filename="a.py"><lines><line number="1" hits="1"/><line number="2" hits="0"/></lines></class></classes></package></packages></coverage>`;
		expect((await coverage("cobertura", text)).coverage).toEqual({ covered: 1, lines: 2 });
	});

	test("cobertura: a file is one, however its name is spelt", async () => {
		const of = (name: string) => `<coverage><class filename="${name}"><lines><line number="1" hits="1"/></lines></class></coverage>`;
		expect((await coverage("cobertura", of("é.py"), of("&#xE9;.py"))).coverage).toEqual({ covered: 1, lines: 1 });
	});

	test("a file is one, be its name absolute, relative, or with other slashes", async () => {
		const of = (name: string) => `SF:${name}\nDA:1,1\nDA:2,0\nend_of_record\n`;
		const names = ["$WORKSPACE/src/a.ts", "src/a.ts", "./src//a.ts", "src/x/../a.ts", "src\\a.ts", "/another/machine/src/a.ts"];
		expect((await coverage("lcov", ...names.map(of))).coverage).toEqual({ covered: 1, lines: 2 });
		const xml = (name: string, source: string) =>
			`<coverage><sources><source>${source}</source></sources><class filename="${name}"><lines><line number="1" hits="1"/></lines></class></coverage>`;
		const { coverage: totals } = await coverage(
			"cobertura",
			xml("a.ts", "$WORKSPACE/src"),
			xml("src/a.ts", "."),
			xml("$WORKSPACE/src/a.ts", ""),
		);
		expect(totals).toEqual({ covered: 1, lines: 1 });
		expect((await coverage("go", "mode: set\n./m/a.go:1.2,3.4 3 1\n", "mode: set\n$WORKSPACE/m/a.go:1.2,3.4 3 0\n")).coverage?.lines).toBe(
			3,
		);
	});

	test("files of one name in two folders are two", async () => {
		const of = (name: string) => `SF:${name}\nDA:1,1\n`;
		expect((await coverage("lcov", of("$WORKSPACE/x/a.ts"), of("y/a.ts"), of("/z/a.ts"))).coverage?.lines).toBe(3);
	});

	test("cobertura: of several folders, the one that has the file", async () => {
		const of = (sources: string, name: string) =>
			`<coverage><sources>${sources}</sources><class filename="${name}"><lines><line number="1" hits="1"/></lines></class></coverage>`;
		const both = "<source>$WORKSPACE/lib</source><source>$WORKSPACE/src</source>";
		const files = { c0: of(both, "a.py"), c1: of("", "src/a.py"), "src/a.py": "x" };
		expect((await readFiles(files, { coverage: { format: "cobertura", files: ["c*"] } })).coverage?.lines).toBe(1);
	});

	test("cobertura: lines of methods only, of methods and the class, of classes without a file", async () => {
		const lines = '<lines><line number="1" hits="1"/><line number="2" hits="0"/></lines>';
		const of = (inside: string) => `<coverage><class name="A" filename="a.py">${inside}</class></coverage>`;
		const methods = `<methods><method name="f">${lines}</method></methods>`;
		expect((await coverage("cobertura", of(`${methods}<lines/>`))).coverage).toEqual({ covered: 1, lines: 2 });
		expect((await coverage("cobertura", of(methods + lines))).coverage).toEqual({ covered: 1, lines: 2 });
		const unnamed = `<coverage><class name="A">${lines}</class><class name="B">${lines}</class></coverage>`;
		expect((await coverage("cobertura", unnamed)).coverage).toEqual({ covered: 2, lines: 4 });
	});

	test.each([
		["a negative count", "DA:1,-3"],
		["a dash", "DA:1,-"],
		["what gcov marks as never run", "DA:1,#####"],
		["a checksum", "DA:1,0,mQ8kRe0vUZ2Zm3Qb6HNbWg"],
	])("lcov: a line with %s was not run, and counts", async (_, line) => {
		expect((await coverage("lcov", `SF:a\n${line}\nDA:2,1e+06,abc\nBRDA:1,0,0,-\nDA:0,5\n`)).coverage).toEqual({ covered: 1, lines: 2 });
	});

	test("lcov: a count that is no number is an error with its line", async () => {
		expect((await coverage("lcov", "SF:a\nDA:1,many\n")).errors[0]).toContain('line 2: "DA:1,many" has no line number and count');
	});

	test("go: statements", async () => {
		expect((await coverage("go", "mode: set\nm/a.go:1.2,3.4 3 1\nm/a.go:5.1,6.2 2 0\n")).coverage).toEqual({ covered: 3, lines: 5 });
	});

	test.each([
		["lcov", "nothing", "it has no line"],
		["go", "mode: set\nx", "it has the line"],
		["cobertura", '<!DOCTYPE c [<!ENTITY a "b">]><coverage/>', "it declares entities"],
		["cobertura", "<x/>", "it has no coverage element"],
	] as const)("%s: %s", async (format, text, message) => expect((await coverage(format, text)).errors[0]).toContain(message));
});

test("a reason masks a secret of a malformed report, even one that it truncates", async () => {
	const secret = "s3cr3t".repeat(200);
	const { errors } = await readFiles({ r: `DA:${secret}` }, { coverage: { format: "lcov", files: ["r"] } }, [secret]);
	expect([errors.length, errors[0]?.includes("s3cr3t"), errors[0]?.includes("***")]).toEqual([1, false, true]);
});

test("a missing report is an error for each kind", async () => {
	const patterns = { ...NONE, junit: ["*.xml"], go_test: ["g"], coverage: { format: "go" as const, files: ["c"] } };
	const { errors } = await readFiles({}, patterns);
	expect(errors).toHaveLength(3);
});
