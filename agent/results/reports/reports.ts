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

type Patterns = NonNullable<Assignment["reports"]>;

export interface Reports {
	/** Null if the job reports no tests. */
	tests: TestTotals | null;
	cases: TestCase[];
	/** The names of failed and of flaky tests. */
	failures: string[];
	flaky: string[];
	coverage: CoverageTotals | null;
	/** Why reports could not be read. */
	errors: string[];
}

const MAX_FILES = 2_000;
const MAX_FILE_BYTES = 32 * 1024 * 1024;
/** The limit for all reports of a job together: a job writes its reports itself. */
const MAX_ALL_BYTES = 128 * 1024 * 1024;
const MAX_CASES = 20_000;
const MAX_NAMED = 50;
const MAX_ERROR = 500;
const MAX_NAMED_UNREADABLE = 20;
/** The limits for the texts of one case, and of all cases. */
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

/** Reads the test and coverage reports of a job. Their content never makes it throw. */
export async function readReports(workspace: ConfinedFolder, patterns: Patterns, masker: Masker): Promise<Reports> {
	const errors: string[] = [];
	const reading: Reading = { workspace, patterns, masker, errors, bytesRead: 0, cases: [] };
	const kinds = TEST_REPORT_KINDS.filter((kind) => patterns[kind].length > 0);
	for (const kind of kinds) await readKind(kind, reading);
	const coverage = patterns.coverage && (await coverageOf(reading));
	return { ...summed(reading.cases, kinds.length > 0), coverage, errors };
}

interface Reading {
	workspace: ConfinedFolder;
	patterns: Patterns;
	masker: Masker;
	errors: string[];
	bytesRead: number;
	cases: TestCase[];
}

/** Reads all reports of one kind. */
async function readKind(kind: TestReportKind, reading: Reading): Promise<void> {
	const { workspace, patterns, masker, errors, cases } = reading;
	const wanted = patterns[kind];
	const errorsBefore = errors.length;
	const casesBefore = cases.length;
	const files = await writtenFilesOf(workspace, kind, wanted, patterns.allow_empty, errors);
	for (const group of kind === "bazel" ? groupByTarget(files) : files.map((file) => [file])) {
		const names = listed(group);
		reading.bytesRead += group.reduce((sum, { size }) => sum + size, 0);
		if (reading.bytesRead > MAX_ALL_BYTES) {
			errors.push(`The reports of this job have more than ${formatBytes(MAX_ALL_BYTES)}; ${names} and the following reports are not read.`);
			break;
		}
		try {
			const found = await READERS[kind](group);
			if (cases.length + found.length > MAX_READ_CASES) {
				errors.push(`The reports of this job have more than ${MAX_READ_CASES} tests; ${names} and the following reports are not read.`);
				break;
			}
			for (const one of found) cases.push(withShortTexts(withoutSecrets(asWanted(one, patterns.retries), masker)));
		} catch (error) {
			errors.push(shortError(`The report ${names} cannot be read as ${kind}: ${masker.text((error as Error).message)}`));
		}
	}
	// Like in Jenkins (allowEmptyResults), one test in any report is enough.
	if (patterns.allow_empty || errors.length > errorsBefore || cases.length > casesBefore) return;
	const names = listed(files);
	errors.push(
		shortError(`The ${kind} report ${names} has no test. Check that the tests ran; if it may be empty, set \`reports.allow_empty: true\`.`),
	);
}

/** The reports that are not empty. A tool that was killed leaves an empty file. */
async function writtenFilesOf(
	workspace: ConfinedFolder,
	kind: string,
	wanted: readonly string[],
	mayBeEmpty: boolean,
	errors: string[],
): Promise<ReportFile[]> {
	const files = await filesOf(workspace, kind, wanted, errors);
	const [empty, written] = [files.filter(({ size }) => size === 0), files.filter(({ size }) => size > 0)];
	if (mayBeEmpty) return written;
	for (const { name } of empty) {
		errors.push(
			`The ${kind} report ${name} is empty. Check that the tool ran to its end; if it may be empty, set \`reports.allow_empty: true\`.`,
		);
	}
	return written;
}

/** With `retries: fail`, a flaky test counts as failed. */
function asWanted(one: TestCase, retries: Patterns["retries"]): TestCase {
	return one.flaky && retries === "fail" ? { ...one, state: "failed", flaky: false } : one;
}

/** The caller masks the text first, because readers quote the report. */
function shortError(text: string): string {
	return text.length > MAX_ERROR ? `${text.slice(0, MAX_ERROR - 1)}…` : text;
}

/** The names of the first files, and the number of the others. */
function listed(files: readonly ReportFile[]): string {
	const names = files.slice(0, 3).map(({ name }) => name);
	return [...names, ...(files.length > names.length ? [`${files.length - names.length} more`] : [])].join(", ");
}

async function filesOf(workspace: ConfinedFolder, kind: string, patterns: readonly string[], errors: string[]): Promise<ReportFile[]> {
	const { files, unreadable } = await findFiles(workspace, patterns);
	for (const { shown, why } of unreadable.slice(0, MAX_NAMED_UNREADABLE)) errors.push(`The report ${shown} ${why}.`);
	if (files.length === 0) errors.push(`No ${kind} report was found: no file matches ${patterns.join(", ")}.`);
	if (files.length > MAX_FILES) errors.push(`${files.length} files match ${patterns.join(", ")}; at most ${MAX_FILES} are read.`);
	const usable: ReportFile[] = [];
	for (const name of files.slice(0, MAX_FILES)) {
		const size = await sizeOf(workspace, name);
		if (size === null) errors.push(`The report ${name} is not a file in the workspace.`);
		else if (size <= MAX_FILE_BYTES) usable.push(new ReportFile(workspace, name, size));
		else errors.push(`The report ${name} has ${formatBytes(size)}; at most ${formatBytes(MAX_FILE_BYTES)} are read.`);
	}
	return usable;
}

/** Null if the entry is not a file in the workspace. */
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

async function coverageOf({ workspace, patterns, masker, errors }: Reading): Promise<CoverageTotals | null> {
	const { format, files: wanted } = patterns.coverage as NonNullable<Patterns["coverage"]>;
	const files = await writtenFilesOf(workspace, format, wanted, patterns.allow_empty, errors);
	if (files.length === 0) return null;
	try {
		const totals = await readCoverage(format, files, workspace);
		if (totals.lines > 0) return totals;
		if (!patterns.allow_empty) throw new ReportError("it has no line. If it may be empty, set `reports.allow_empty: true`.");
	} catch (error) {
		const names = listed(files);
		errors.push(shortError(`The coverage in ${names} cannot be read as ${format}: ${masker.text((error as Error).message)}`));
	}
	return null;
}

function summed(all: readonly TestCase[], hasTests: boolean): Pick<Reports, "tests" | "cases" | "failures" | "flaky"> {
	if (!hasTests) return { tests: null, cases: [], failures: [], flaky: [] };
	const count = (state: TestCase["state"]) => all.filter((one) => one.state === state).length;
	// Failed tests have priority, then flaky ones.
	const rank = ({ state, flaky }: TestCase) => (state === "failed" ? 0 : flaky ? 1 : 2);
	const kept = [0, 1, 2].flatMap((wanted) => all.filter((one) => rank(one) === wanted)).slice(0, MAX_CASES);
	let left = MAX_ALL_TEXT;
	const truncate = (text: string | null) => {
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
		message: truncate(one.message),
		output: truncate(one.output),
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

/** Shortens the texts of a case at once, so that many long texts do not fill the memory. */
function withShortTexts(one: TestCase): TestCase {
	return { ...one, message: one.message && shortened(one.message, MAX_TEXT), output: one.output && shortened(one.output, MAX_TEXT) };
}

/** Masks a case before it is shortened: the masker would not recognize half a secret. */
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
