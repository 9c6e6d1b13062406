import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import path from "node:path";
import { formatBytes } from "../../schema/wire/bytes.ts";
import { MAX_SUMMARY_BYTES } from "../../schema/wire/limits.ts";
import { ownArtifactPath, shownPath } from "../../schema/wire/paths.ts";
import type { Assignment } from "../../schema/wire/protocol.ts";
import type { CoverageTotals, TestTotals } from "../../schema/wire/resources.ts";
import { TEST_REPORT_KINDS } from "../../schema/wire/work.ts";
import { ConfinedFolder } from "../files/confined_folder.ts";
import { sha256 } from "../files/hashing.ts";
import type { Masker } from "../log/masker.ts";
import { JobError, type Outcome } from "../outcome.ts";
import type { FileCoordinator } from "../transport/client.ts";
import { ArtifactsFailed, type Found, findArtifacts, type Manifest, uploadArtifacts } from "./artifacts.ts";
import type { LeftOut } from "./find_files.ts";
import { savedPatterns } from "./leaves_results.ts";
import { readOutputs, readSummary } from "./outputs.ts";
import { readReports } from "./reports/reports.ts";

/** The results that a job leaves when its steps have ended, whether they succeeded or not. */
export interface Results {
	outputs: Record<string, string>;
	artifacts: Manifest;
	tests: TestTotals | null;
	coverage: CoverageTotals | null;
}

interface Collecting {
	assignment: Assignment;
	client: FileCoordinator;
	attempt: { id: string; token: string };
	workspace: string;
	/** The path of the workspace as steps see it. */
	workspaceOfSteps: string;
	/** The folder of outputs and summary, and the agent's own folder. */
	folders: { own: string; files: string };
	signal: AbortSignal;
	masker: Masker;
	writeLine(text: string): Promise<void>;
	/** Called before the first line about the results. */
	begin(line: string): Promise<void>;
}

/**
 * Collects the results. An error in one part does not stop the others; the first error is returned.
 */
export async function collectResults(collecting: Collecting): Promise<{ results: Results; error: Outcome | null }> {
	const { folders, workspace, workspaceOfSteps } = collecting;
	const opened: ConfinedFolder[] = [];
	const open = async (folder: string, knownAs: string | null = null) => {
		const one = await ConfinedFolder.open(folder, knownAs);
		opened.push(one);
		return one;
	};
	try {
		await mkdir(folders.own, { recursive: true, mode: 0o700 });
		return await collectFrom(collecting, {
			// A job may remove its workspace: then there is nothing to collect.
			workspace: await open(workspace, workspaceOfSteps).catch(async () => open(await mkdtemp(path.join(folders.own, "empty-")))),
			own: await open(folders.own),
			// A job on the host can remove the folder, or replace it by a link.
			files: await open(folders.files).catch(() => null),
		});
	} finally {
		for (const folder of opened) await folder.close();
	}
}

async function collectFrom(
	collecting: Collecting,
	{ workspace, own, files }: { workspace: ConfinedFolder; own: ConfinedFolder; files: ConfinedFolder | null },
): Promise<{ results: Results; error: Outcome | null }> {
	const { assignment, folders, signal, masker, writeLine } = collecting;
	const results: Results = { outputs: {}, artifacts: [], tests: null, coverage: null };
	const uploads: Found[] = [];
	let firstError: Outcome | null = null;
	const part = async (body: () => Promise<void>) => {
		if (signal.aborted) return;
		try {
			await body();
		} catch (error) {
			if (signal.aborted) return;
			const known = error instanceof JobError ? error : artifactError(error as Error);
			await writeLine(`:: ${known.message}`);
			firstError ??= known.outcome;
		}
	};
	if (assignment.reports || savedPatterns(assignment).length > 0) await collecting.begin(`:: ${beginning(assignment)}`);
	await part(async () => {
		const { outputs, notices } = await readOutputs(files, assignment.outputs);
		// A step with an id may tell later steps what the job does not tell others.
		const steps = [...assignment.steps, ...(assignment.finally?.steps ?? [])];
		if (steps.every(({ id }) => id === null)) for (const notice of notices) await writeLine(`:: ${notice}`);
		results.outputs = outputs;
	});
	await part(async () => {
		const summary = await readSummary(files);
		if (!summary) return;
		if (!summary.isWhole) await writeLine(`:: the summary has more than ${formatBytes(MAX_SUMMARY_BYTES)} and is truncated`);
		uploads.push(await ownFile(folders.own, own, "summary", "summary.md", masker.text(summary.text)));
	});
	await part(async () => {
		if (!assignment.reports) return;
		const reports = await readReports(workspace, assignment.reports, masker);
		results.coverage = reports.coverage;
		results.tests = reports.tests;
		if (reports.tests) {
			uploads.push(await ownFile(folders.own, own, "tests", "tests.json", JSON.stringify(reports.cases)));
			const { passed, failed, skipped, flaky } = reports.tests;
			await writeLine(`:: tests: ${passed} passed${flaky > 0 ? ` (${flaky} flaky)` : ""}, ${failed} failed, ${skipped} skipped`);
			for (const name of reports.failures) await writeLine(`:: failed: ${name}`);
			for (const name of reports.flaky) await writeLine(`:: flaky: ${name}`);
		}
		if (reports.coverage) await writeLine(`:: coverage: ${percent(reports.coverage)} of ${reports.coverage.lines} lines`);
		for (const one of reports.errors) await writeLine(`:: ${one}`);
		if (reports.errors.length > 0) throw new JobError("report_unreadable", reports.errors[0] as string, "failed");
		if (reports.tests && reports.tests.failed > 0) {
			const total = reports.tests.passed + reports.tests.failed;
			throw new JobError(
				"tests_failed",
				`${reports.tests.failed} of ${total} tests failed: ${reports.failures.slice(0, 3).join(", ")}`,
				"failed",
			);
		}
	});
	await part(async () => {
		if (savedPatterns(assignment).length === 0) return;
		const { found, links, leftOut, missing } = await findArtifacts(workspace, assignment.artifacts, masker);
		for (const link of links) await writeLine(`:: not saved: ${link} is a link that leads to no file`);
		for (const { shown, why } of leftOut.slice(0, MAX_SHOWN_LEFT_OUT)) await writeLine(`:: not saved: ${shown} ${why}`);
		if (found.length === 0) await writeLine(":: no file matches");
		// The other files are saved in any case.
		uploads.push(...found);
		const errors = [...missing.map(missingText), ...(leftOut.length > 0 ? [leftOutText(leftOut)] : [])];
		if (errors.length > 0) throw new ArtifactsFailed(errors.join(" "));
	});
	await part(async () => {
		if (uploads.length === 0) return;
		results.artifacts = await uploadArtifacts({ client: collecting.client, attempt: collecting.attempt, signal }, uploads);
		for (const file of uploads) if (file.kind === "file") await writeLine(`:: saved ${shownPath(file.path)} (${file.size} bytes)`);
	});
	return { results, error: firstError };
}

/** The number of files that are named in the log, and in the reason of a job. */
const MAX_SHOWN_LEFT_OUT = 100;
const MAX_LEFT_OUT_IN_REASON = 3;

function leftOutText(leftOut: readonly LeftOut[]): string {
	const named = leftOut.slice(0, MAX_LEFT_OUT_IN_REASON).map(({ shown, why }) => `${shown} ${why}`);
	const more = leftOut.length - named.length;
	const count = leftOut.length === 1 ? "A file was" : `${leftOut.length} files were`;
	return `${count} not saved: ${named.join("; ")}${more > 0 ? ` (and ${more} more)` : ""}. Rename or remove them.`;
}

function missingText(patterns: readonly string[]): string {
	return `No file matches ${patterns.join(", ")}, which the job must save (required).`;
}

function beginning(assignment: Assignment): string {
	const { reports } = assignment;
	const saved = savedPatterns(assignment);
	const patterns = reports ? [...TEST_REPORT_KINDS.flatMap((kind) => reports[kind]), ...(reports.coverage?.files ?? [])] : [];
	return [
		...(patterns.length > 0 ? [`read reports: ${patterns.join(", ")}`] : []),
		...(saved.length > 0 ? [`save artifacts: ${saved.join(", ")}`] : []),
	].join("; ");
}

function percent({ covered, lines }: CoverageTotals): string {
	return lines === 0 ? "–" : `${((100 * covered) / lines).toFixed(1)} %`;
}

function artifactError(error: Error): JobError {
	const text = error instanceof ArtifactsFailed ? error.message : `The artifacts could not be saved: ${error.message}`;
	return new JobError("artifacts_failed", text, "failed");
}

/** Writes a file of the agent's own to save. */
async function ownFile(folderPath: string, folder: ConfinedFolder, kind: "summary" | "tests", file: string, text: string): Promise<Found> {
	const bytes = Buffer.from(text);
	await writeFile(path.join(folderPath, file), bytes, { mode: 0o600 });
	const digests = { sha256: sha256(bytes), parts: [] };
	return { path: ownArtifactPath(kind), folder, file, size: bytes.byteLength, ...digests, executable: false, kind, entry: null };
}
