import { formatBytes } from "../../../schema/wire/bytes.ts";
import type { Assignment } from "../../../schema/wire/protocol.ts";
import type { CoverageTotals, TestCase, TestTotals } from "../../../schema/wire/resources.ts";
import { TEST_REPORT_KINDS, type TestReportKind } from "../../../schema/wire/work.ts";
import { ConfinedFileError } from "../../files/confined_file_error.ts";
import type { ConfinedFolder } from "../../files/confined_folder.ts";
import type { Masker } from "../../log/masker.ts";
import { findFiles } from "../find_files.ts";
import { readAutomake } from "./automake.ts";
import { groupByTarget, readBazel } from "./bazel.ts";
import { readCoverage } from "./coverage.ts";
import { readGoTest } from "./go_test.ts";
import { readJunit } from "./junit.ts";
import { readLibtest } from "./libtest.ts";
import { ReportError } from "./report_error.ts";
import { ReportFile } from "./report_file.ts";
import { readTap } from "./tap.ts";
import { MAX_READ_CASES } from "./test_cases.ts";
import { readTrx } from "./trx.ts";

/** Test results and coverage, as the tools of a job have written them. What is read is bounded: a report comes from the job. */

type Patterns = NonNullable<Assignment["reports"]>;

export interface Reports {
	/** Null if the job reports no tests. */
	tests: TestTotals | null;
	cases: TestCase[];
	/** The names of those that failed, and of those that passed only when they were tried again. */
	failures: string[];
	flaky: string[];
	coverage: CoverageTotals | null;
	/** What could not be read, a sentence each. */
	faults: string[];
}

const MAX_FILES = 2_000;
const MAX_FILE_BYTES = 32 * 1024 * 1024;
/** All reports of a job together. */
const MAX_ALL_BYTES = 128 * 1024 * 1024;
const MAX_CASES = 20_000;
const MAX_NAMED = 50;
const MAX_FAULT = 500;
const MAX_TOLD_UNREADABLE = 20;
/** Of what a case says, and of what all of them say. */
const MAX_TEXT = 16 * 1024;
const MAX_ALL_TEXT = 8 * 1024 * 1024;

/** Reads reports that belong together: one file, or the attempts of one target of Bazel. */
type Reader = (files: readonly ReportFile[]) => Promise<TestCase[]>;

const alone =
	(read: (file: ReportFile) => Promise<TestCase[]>): Reader =>
	async ([file]) =>
		file ? read(file) : [];

const READERS: Readonly<Record<TestReportKind, Reader>> = {
	junit: alone(readJunit),
	go_test: alone(readGoTest),
	tap: alone(readTap),
	libtest: alone(readLibtest),
	automake: alone(readAutomake),
	trx: alone(readTrx),
	bazel: readBazel,
};

/** Reads every report of a job. Never throws for what is in them. */
export async function readReports(workspace: ConfinedFolder, patterns: Patterns, masker: Masker): Promise<Reports> {
	const faults: string[] = [];
	const reading: Reading = { workspace, patterns, masker, faults, bytesRead: 0, cases: [] };
	const kinds = TEST_REPORT_KINDS.filter((kind) => patterns[kind].length > 0);
	for (const kind of kinds) await readKind(kind, reading);
	const coverage = patterns.coverage && (await coverageOf(reading));
	return { ...summed(reading.cases, kinds.length > 0), coverage, faults };
}

interface Reading {
	workspace: ConfinedFolder;
	patterns: Patterns;
	masker: Masker;
	faults: string[];
	bytesRead: number;
	cases: TestCase[];
}

/** Reads all reports of one kind. */
async function readKind(kind: TestReportKind, reading: Reading): Promise<void> {
	const { workspace, patterns, masker, faults, cases } = reading;
	const wanted = patterns[kind];
	const faultsBefore = faults.length;
	const casesBefore = cases.length;
	const files = await writtenFilesOf(workspace, kind, wanted, patterns.allow_empty, faults);
	for (const group of kind === "bazel" ? groupByTarget(files) : files.map((file) => [file])) {
		const names = listed(group);
		reading.bytesRead += group.reduce((sum, { size }) => sum + size, 0);
		if (reading.bytesRead > MAX_ALL_BYTES) {
			faults.push(`The reports of this job have more than ${formatBytes(MAX_ALL_BYTES)}; ${names} and what follows is not read.`);
			break;
		}
		try {
			const found = await READERS[kind](group);
			if (cases.length + found.length > MAX_READ_CASES) {
				faults.push(`The reports of this job hold more than ${MAX_READ_CASES} tests; ${names} and what follows is not read.`);
				break;
			}
			for (const one of found) cases.push(withShortTexts(withoutSecrets(asWanted(one, patterns.retries), masker)));
		} catch (error) {
			faults.push(shortError(`The report ${names} cannot be read as ${kind}: ${masker.text((error as Error).message)}`));
		}
	}
	// As in Jenkins (allowEmptyResults), one test in any of the reports is enough.
	if (patterns.allow_empty || faults.length > faultsBefore || cases.length > casesBefore) return;
	const names = listed(files);
	faults.push(
		shortError(
			`No test is in the ${kind} report ${names}. Check that the tests ran; if it may be empty, set \`reports.allow_empty: true\`.`,
		),
	);
}

/** The reports of a kind that hold anything: a tool that was ended early leaves a file without a byte. */
async function writtenFilesOf(
	workspace: ConfinedFolder,
	kind: string,
	wanted: readonly string[],
	mayBeEmpty: boolean,
	faults: string[],
): Promise<ReportFile[]> {
	const files = await filesOf(workspace, kind, wanted, faults);
	const [empty, written] = [files.filter(({ size }) => size === 0), files.filter(({ size }) => size > 0)];
	if (mayBeEmpty) return written;
	for (const { name } of empty) {
		faults.push(
			`The ${kind} report ${name} is empty. Check that the tool ran to its end; if it may be empty, set \`reports.allow_empty: true\`.`,
		);
	}
	return written;
}

/** With `retries: fail`, a flaky test has failed. */
function asWanted(one: TestCase, retries: Patterns["retries"]): TestCase {
	return one.flaky && retries === "fail" ? { ...one, state: "failed", flaky: false } : one;
}

/** Messages are masked before they are cut: readers quote what is in the report. */
function shortError(text: string): string {
	return text.length > MAX_FAULT ? `${text.slice(0, MAX_FAULT - 1)}…` : text;
}

/** Of many files, the first ones. */
function listed(files: readonly ReportFile[]): string {
	const names = files.slice(0, 3).map(({ name }) => name);
	return [...names, ...(files.length > names.length ? [`${files.length - names.length} more`] : [])].join(", ");
}

async function filesOf(workspace: ConfinedFolder, kind: string, patterns: readonly string[], faults: string[]): Promise<ReportFile[]> {
	const { files, unreadable } = await findFiles(workspace, patterns);
	for (const { shown, why } of unreadable.slice(0, MAX_TOLD_UNREADABLE)) faults.push(`The report ${shown} ${why}.`);
	if (files.length === 0) faults.push(`No ${kind} report is there: nothing matches ${patterns.join(", ")}.`);
	if (files.length > MAX_FILES) faults.push(`${files.length} files match ${patterns.join(", ")}; at most ${MAX_FILES} are read.`);
	const usable: ReportFile[] = [];
	for (const name of files.slice(0, MAX_FILES)) {
		const size = await sizeOf(workspace, name);
		if (size === null) faults.push(`The report ${name} is no file of the workspace.`);
		else if (size <= MAX_FILE_BYTES) usable.push(new ReportFile(workspace, name, size));
		else faults.push(`The report ${name} has ${formatBytes(size)}; at most ${formatBytes(MAX_FILE_BYTES)} are read.`);
	}
	return usable;
}

/** Null for what is no file of the workspace. */
async function sizeOf(workspace: ConfinedFolder, name: string): Promise<number | null> {
	try {
		const file = await workspace.file(name);
		return await file
			.stat()
			.then(({ size }) => size)
			.finally(() => file.close());
	} catch (error) {
		if (error instanceof ConfinedFileError) return null;
		throw error;
	}
}

async function coverageOf({ workspace, patterns, masker, faults }: Reading): Promise<CoverageTotals | null> {
	const { format, files: wanted } = patterns.coverage as NonNullable<Patterns["coverage"]>;
	const files = await writtenFilesOf(workspace, format, wanted, patterns.allow_empty, faults);
	if (files.length === 0) return null;
	try {
		const totals = await readCoverage(format, files, workspace);
		if (totals.lines > 0) return totals;
		if (!patterns.allow_empty) throw new ReportError("it speaks of no line. If it may be empty, set `reports.allow_empty: true`.");
	} catch (error) {
		const names = listed(files);
		faults.push(shortError(`The coverage in ${names} cannot be read as ${format}: ${masker.text((error as Error).message)}`));
	}
	return null;
}

function summed(all: readonly TestCase[], hasTests: boolean): Pick<Reports, "tests" | "cases" | "failures" | "flaky"> {
	if (!hasTests) return { tests: null, cases: [], failures: [], flaky: [] };
	const count = (state: TestCase["state"]) => all.filter((one) => one.state === state).length;
	// Failed tests are kept first, then flaky ones.
	const rank = ({ state, flaky }: TestCase) => (state === "failed" ? 0 : flaky ? 1 : 2);
	const kept = [0, 1, 2].flatMap((wanted) => all.filter((one) => rank(one) === wanted)).slice(0, MAX_CASES);
	let left = MAX_ALL_TEXT;
	const cut = (text: string | null) => {
		if (text === null) return null;
		const short = shortened(text, Math.min(MAX_TEXT, left));
		left -= short.length;
		return short;
	};
	const cases = kept.map((one) => ({
		...one,
		suite: one.suite.slice(0, 500),
		name: one.name.slice(0, 500),
		file: one.file?.slice(0, 500) ?? null,
		message: cut(one.message),
		output: cut(one.output),
	}));
	const tests: TestTotals = {
		passed: count("passed"),
		failed: count("failed"),
		skipped: count("skipped"),
		flaky: all.filter(({ flaky }) => flaky).length,
		duration_ms: Math.round(all.reduce((sum, one) => sum + one.duration_ms, 0)),
		truncated: all.length > MAX_CASES,
	};
	const namesOf = (some: readonly TestCase[]) =>
		some.slice(0, MAX_NAMED).map(({ suite, name }) => (suite === "" ? name : `${suite} › ${name}`));
	return {
		tests,
		cases,
		failures: namesOf(cases.filter(({ state }) => state === "failed")),
		flaky: namesOf(cases.filter(({ flaky }) => flaky)),
	};
}

/** A case as it is kept: none says more than so much, from the moment at which it is read. */
function withShortTexts(one: TestCase): TestCase {
	return { ...one, message: one.message && shortened(one.message, MAX_TEXT), output: one.output && shortened(one.output, MAX_TEXT) };
}

/** Masked before anything is cut: of a secret that is cut in two neither half would be known. */
function withoutSecrets(one: TestCase, masker: Masker): TestCase {
	const masked = (text: string | null) => text && masker.text(text);
	return {
		...one,
		suite: masker.text(one.suite),
		name: masker.text(one.name),
		file: masked(one.file),
		message: masked(one.message),
		output: masked(one.output),
	};
}

/** The beginning and the end of a text that is too long. */
function shortened(text: string, limit: number): string {
	if (text.length <= limit) return text;
	if (limit < 100) return "";
	const half = Math.floor(limit / 2) - 20;
	return `${text.slice(0, half)}\n… ${text.length - 2 * half} characters …\n${text.slice(-half)}`;
}
