import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { ConfinedFolder } from "../../agent/confined_files.ts";
import { Masker } from "../../agent/masker.ts";
import { readReports } from "../../agent/reports/reports.ts";

const NONE = { junit: [], go_test: [], tap: [], coverage: null };

/** Reads one report, as a job has written it. */
async function read(kind: "junit" | "go_test" | "tap", text: string) {
	return readReports(await folderWith({ report: text }), { ...NONE, [kind]: ["report"] }, new Masker([]));
}

async function coverage(format: "lcov" | "cobertura" | "go", ...texts: string[]) {
	const files = Object.fromEntries(texts.map((text, index) => [`c${index}`, text]));
	return readReports(await folderWith(files), { ...NONE, coverage: { format, files: ["c*"] } }, new Masker([]));
}

async function folderWith(files: Record<string, string>): Promise<ConfinedFolder> {
	const folder = mkdtempSync(path.join(os.tmpdir(), "windlass-reports-"));
	onTestFinished(() => rmSync(folder, { recursive: true }));
	for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
	const opened = await ConfinedFolder.open(folder);
	onTestFinished(() => opened.close());
	return opened;
}

const told = (cases: { suite: string; name: string; state: string }[]) =>
	cases.map(({ suite, name, state }) => `${suite} › ${name}: ${state}`);

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
			{ passed: 1, failed: 2, skipped: 1, duration_ms: 1500, truncated: false },
			["k.K › b", "in & out › c"],
		]);
	});

	test("a single suite at the top; one without cases", async () => {
		expect((await read("junit", '<testsuite name="s"><testcase name="a"/></testsuite>')).tests?.passed).toBe(1);
		expect((await read("junit", "<testsuites/>")).tests).toMatchObject({ passed: 0, failed: 0 });
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
		const { faults, cases } = await read("junit", text);
		expect([cases, faults]).toEqual([[], [expect.stringMatching(message)]]);
	});

	test("what looks like a declaration is none in text that is quoted, or left out; a document type alone is no harm", async () => {
		const quoted = '<![CDATA[<!DOCTYPE a [<!ENTITY x "y">]>&#65;]]>';
		const text = `<!DOCTYPE testsuite><!-- <!ENTITY x "y"> --><testsuite name="s"><testcase name="&x;"><failure>${quoted}</failure></testcase></testsuite>`;
		const { cases, faults } = await read("junit", text);
		expect([faults, cases[0]?.name, cases[0]?.output]).toEqual([[], "&x;", '<!DOCTYPE a [<!ENTITY x "y">]>&#65;']);
	});

	test("characters that are given by their number", async () => {
		const numbers = "caf&#233;&#xE9;&#10;&#x1F600; &amp;#65; &#0; &#xD800; &#x110000; &#99999999999;";
		const characters = "caféé\n😀 &#65; &#0; &#xD800; &#x110000; &#99999999999;";
		const { cases } = await read("junit", `<testsuite><testcase name="${numbers}"><failure>${numbers}</failure></testcase></testsuite>`);
		expect([cases[0]?.name, cases[0]?.output]).toEqual([characters, characters]);
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

	test("what holds no event is a fault", async () => expect((await read("go_test", "PASS\nok  m 0.1s\n")).faults).toHaveLength(1));
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

	test("a plan that was not kept, a bail-out, nothing at all", async () => {
		expect(told((await read("tap", "1..3\nok 1 - a\nok 2\n")).cases)).toEqual([" › (plan): failed", " › a: passed", " › test 2: passed"]);
		expect(told((await read("tap", "1..2\nok 1 - a\nBail out! no database\n")).cases)).toEqual([" › (bail out): failed", " › a: passed"]);
		expect((await read("tap", "hello\n")).faults[0]).toContain("it holds no test");
		expect((await read("tap", "1..0 # SKIP nothing here\n")).faults).toEqual([]);
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

	test("go: statements", async () => {
		expect((await coverage("go", "mode: set\nm/a.go:1.2,3.4 3 1\nm/a.go:5.1,6.2 2 0\n")).coverage).toEqual({ covered: 3, lines: 5 });
	});

	test.each([
		["lcov", "nothing", "it speaks of no line"],
		["go", "mode: set\nx", "it has the line"],
		["cobertura", '<!DOCTYPE c [<!ENTITY a "b">]><coverage/>', "it declares entities"],
		["cobertura", "<x/>", "it has no coverage element"],
	] as const)("%s: %s", async (format, text, message) => expect((await coverage(format, text)).faults[0]).toContain(message));
});

test("a report that is not there is a fault for each kind", async () => {
	const patterns = { junit: ["*.xml"], go_test: ["g"], tap: [], coverage: { format: "go" as const, files: ["c"] } };
	const { faults } = await readReports(await folderWith({}), patterns, new Masker([]));
	expect(faults).toHaveLength(3);
});
