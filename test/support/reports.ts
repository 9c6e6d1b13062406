import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";
import type * as z from "zod";
import { ConfinedFolder } from "../../agent/files/confined_folder.ts";
import { Masker } from "../../agent/log/masker.ts";
import { readReports } from "../../agent/results/reports/reports.ts";
import { reportFiles, type TestReportKind } from "../../schema/wire/work.ts";

/** Reports as a job has left them, read as the agent reads them. */

export type Patterns = z.infer<typeof reportFiles>;

export const NONE: Patterns = reportFiles.parse({ junit: [], go_test: [], tap: [], coverage: null });

/** Reads one report. */
export async function read(kind: TestReportKind, text: string | Buffer, more: Partial<Patterns> = {}) {
	return readFiles({ report: text }, { ...more, [kind]: ["report"] });
}

/** Reads what patterns name in a folder of these files. */
export async function readFiles(files: Record<string, string | Buffer>, patterns: Partial<Patterns>, secrets: string[] = []) {
	return readReports(await folderWith(files), { ...NONE, ...patterns }, new Masker(secrets));
}

/** Reads reports of coverage; `$WORKSPACE` stands for the folder that they are in. */
export async function coverage(format: "lcov" | "cobertura" | "go", ...texts: string[]) {
	const files = Object.fromEntries(texts.map((text, index) => [`c${index}`, text]));
	return readFiles(files, { coverage: { format, files: ["c*"] } });
}

async function folderWith(files: Record<string, string | Buffer>): Promise<ConfinedFolder> {
	const folder = mkdtempSync(path.join(os.tmpdir(), "windlass-reports-"));
	onTestFinished(() => rmSync(folder, { recursive: true }));
	for (const [name, content] of Object.entries(files)) {
		mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
		writeFileSync(path.join(folder, name), typeof content === "string" ? content.replaceAll("$WORKSPACE", folder) : content);
	}
	const opened = await ConfinedFolder.open(folder);
	onTestFinished(() => opened.close());
	return opened;
}

/** How each case went, in a line. */
export function told(cases: readonly { suite: string; name: string; state: string; flaky?: boolean }[]): string[] {
	return cases.map(({ suite, name, state, flaky }) => `${suite} › ${name}: ${flaky ? "flaky" : state}`);
}
