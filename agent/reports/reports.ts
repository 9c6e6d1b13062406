import { formatBytes } from "../../schema/wire/bytes.ts";
import type { Assignment } from "../../schema/wire/protocol.ts";
import type { CoverageTotals, TestCase, TestTotals } from "../../schema/wire/resources.ts";
import { ConfinedFileError, type ConfinedFolder } from "../confined_files.ts";
import { findFiles } from "../find_files.ts";
import type { Masker } from "../masker.ts";
import { readCoverage } from "./coverage.ts";
import { readGoTest } from "./go_test.ts";
import { readJunit } from "./junit.ts";
import { ReportFile } from "./report_file.ts";
import { readTap } from "./tap.ts";

/** Test results and coverage, as the tools of a job have written them. What is read is bounded: a report comes from the job. */

type Patterns = NonNullable<Assignment["reports"]>;

export interface Reports {
	/** Null if the job reports no tests. */
	tests: TestTotals | null;
	cases: TestCase[];
	/** The names of those that failed. */
	failures: string[];
	coverage: CoverageTotals | null;
	/** What could not be read, a sentence each. */
	faults: string[];
}

const MAX_FILES = 2_000;
const MAX_FILE_BYTES = 32 * 1024 * 1024;
/** All reports of a job together. */
const MAX_ALL_BYTES = 128 * 1024 * 1024;
const MAX_CASES = 20_000;
const MAX_TOLD_FAILURES = 50;
const MAX_TOLD_UNREADABLE = 20;
/** Of what a case says, and of what all of them say. */
const MAX_TEXT = 16 * 1024;
const MAX_ALL_TEXT = 8 * 1024 * 1024;

type Reader = (file: ReportFile) => Promise<TestCase[]>;

/** Reads every report of a job. Never throws for what is in them. */
export async function readReports(workspace: ConfinedFolder, patterns: Patterns, masker: Masker): Promise<Reports> {
	const faults: string[] = [];
	const readers: [string, readonly string[], Reader][] = [
		["junit", patterns.junit, readJunit],
		["go_test", patterns.go_test, readGoTest],
		["tap", patterns.tap, readTap],
	];
	const cases: TestCase[] = [];
	let bytesRead = 0;
	let hasTests = false;
	for (const [kind, wanted, read] of readers) {
		if (wanted.length === 0) continue;
		hasTests = true;
		for (const file of await filesOf(workspace, kind, wanted, faults)) {
			const { name } = file;
			bytesRead += file.size;
			if (bytesRead > MAX_ALL_BYTES) {
				faults.push(`The reports of this job have more than ${formatBytes(MAX_ALL_BYTES)}; ${name} and what follows is not read.`);
				break;
			}
			try {
				for (const one of await read(file)) cases.push(withShortTexts(withoutSecrets(one, masker)));
			} catch (error) {
				faults.push(`The report ${name} cannot be read as ${kind}: ${(error as Error).message}`.slice(0, 500));
			}
		}
	}
	const coverage = patterns.coverage && (await coverageOf(workspace, patterns.coverage, faults));
	return { ...summed(cases, hasTests), coverage, faults };
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

async function coverageOf(
	workspace: ConfinedFolder,
	{ format, files: patterns }: NonNullable<Patterns["coverage"]>,
	faults: string[],
): Promise<CoverageTotals | null> {
	const files = await filesOf(workspace, format, patterns, faults);
	if (files.length === 0) return null;
	try {
		return await readCoverage(format, files);
	} catch (error) {
		const names = files.map(({ name }) => name).join(", ");
		faults.push(`The coverage in ${names} cannot be read as ${format}: ${(error as Error).message}`.slice(0, 500));
		return null;
	}
}

function summed(all: readonly TestCase[], hasTests: boolean): Pick<Reports, "tests" | "cases" | "failures"> {
	if (!hasTests) return { tests: null, cases: [], failures: [] };
	const count = (state: TestCase["state"]) => all.filter((one) => one.state === state).length;
	// What failed is kept first, whatever its place.
	const kept = [...all.filter(({ state }) => state === "failed"), ...all.filter(({ state }) => state !== "failed")].slice(0, MAX_CASES);
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
		duration_ms: Math.round(all.reduce((sum, one) => sum + one.duration_ms, 0)),
		truncated: all.length > MAX_CASES,
	};
	const failures = cases.filter(({ state }) => state === "failed").slice(0, MAX_TOLD_FAILURES);
	return { tests, cases, failures: failures.map(({ suite, name }) => (suite === "" ? name : `${suite} › ${name}`)) };
}

/** A case as it is kept: none says more than so much, from the moment at which it is read. */
function withShortTexts(one: TestCase): TestCase {
	return { ...one, message: one.message && shortened(one.message, MAX_TEXT), output: one.output && shortened(one.output, MAX_TEXT) };
}

/** The beginning and the end of a text that is too long. */
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

function shortened(text: string, limit: number): string {
	if (text.length <= limit) return text;
	if (limit < 100) return "";
	const half = Math.floor(limit / 2) - 20;
	return `${text.slice(0, half)}\n… ${text.length - 2 * half} characters …\n${text.slice(-half)}`;
}
