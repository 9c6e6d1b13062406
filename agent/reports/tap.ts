import type { TestCase } from "../../schema/wire/resources.ts";
import type { ReportFile } from "./report_file.ts";

/** The Test Anything Protocol, versions 12 to 14 (https://testanything.org), with subtests as Node and others write them. */

const POINT = /^( *)(not )?ok\b(?: (\d+))?(?: - ?| )?(.*)$/;
const DIRECTIVE = /(?:^|[^\\])#\s*(skip|todo)\b\s*(.*)$/i;

/** The cases of a report. @throws Error if it holds no test */
export async function readTap(file: ReportFile): Promise<TestCase[]> {
	return parseTap(await file.text());
}

const MAX_DEPTH = 30;

function levelOf(open: TestCase[][], depth: number): TestCase[] {
	for (let level = open.length; level <= depth; level += 1) open.push([]);
	return open[depth] as TestCase[];
}

function parseTap(text: string): TestCase[] {
	const cases: TestCase[] = [];
	/** By depth: test points whose parent has not come yet. */
	const open: TestCase[][] = [];
	let newest: TestCase | null = null;
	let isInDetails = false;
	let planned: number | null = null;
	let seen = 0;
	for (const line of text.split(/\r?\n/)) {
		if (isInDetails) {
			if (/^ *\.\.\.\s*$/.test(line)) isInDetails = false;
			else if (newest) addDetail(newest, line);
			continue;
		}
		if (/^ *---\s*$/.test(line) && newest) {
			isInDetails = true;
			continue;
		}
		const bail = /^ *Bail out!\s*(.*)$/.exec(line);
		if (bail) {
			cases.push(made("", "(bail out)", "failed", bail[1] || "the tests were broken off"));
			planned = null;
			break;
		}
		const plan = /^1\.\.(\d+)/.exec(line);
		if (plan) planned = Number(plan[1]);
		const point = POINT.exec(line);
		if (!point) continue;
		const depth = Math.min(MAX_DEPTH, Math.floor((point[1] ?? "").length / 4));
		if (depth === 0) seen += 1;
		const own: TestCase = pointOf(point[2] !== undefined, point[4] ?? "", point[3]);
		const inner = open.splice(depth + 1).flat();
		for (const one of inner) one.suite = one.suite === "" ? own.name : `${own.name} › ${one.suite}`;
		// A test with subtests is their sum; it counts only if it failed by itself.
		const isSum = inner.length > 0 && !(own.state === "failed" && inner.every(({ state }) => state !== "failed"));
		const level = depth === 0 ? cases : levelOf(open, depth);
		for (const one of inner) level.push(one);
		if (!isSum) level.push(own);
		// What is said of a test comes after it.
		newest = isSum ? null : own;
	}
	for (const one of open.flat()) cases.push(one);
	if (planned !== null && seen < planned) cases.push(made("", "(plan)", "failed", `${planned} tests were planned, ${seen} were run`));
	if (cases.length === 0 && planned !== 0) throw new Error("it holds no test");
	return cases;
}

function pointOf(isFailed: boolean, text: string, number: string | undefined): TestCase {
	const directive = DIRECTIVE.exec(text);
	const name = (directive ? text.slice(0, directive.index + (text[directive.index] === "#" ? 0 : 1)) : text).trim().replaceAll("\\#", "#");
	const isSkipped = directive?.[1]?.toLowerCase() === "skip";
	// What is still to be done may fail.
	const isTodo = directive?.[1]?.toLowerCase() === "todo";
	const state = isSkipped || (isTodo && isFailed) ? "skipped" : isFailed ? "failed" : "passed";
	return made("", name || `test ${number ?? ""}`.trim(), state, directive?.[2]?.trim() || null);
}

function made(suite: string, name: string, state: TestCase["state"], message: string | null): TestCase {
	return { suite, name, state, duration_ms: 0, file: null, message, output: null };
}

function addDetail(point: TestCase, line: string): void {
	const [, milliseconds] = /^\s*duration_ms:\s*([\d.]+)/.exec(line) ?? [];
	if (milliseconds !== undefined) point.duration_ms = Number(milliseconds) || 0;
	if (point.state !== "failed") return;
	const [, message] = /^\s*(?:message|error):\s*['"]?(.+?)['"]?\s*$/.exec(line) ?? [];
	if (message !== undefined && !/^\|-?$/.test(message)) point.message ??= message;
	point.output = `${point.output ?? ""}${line}\n`;
}
