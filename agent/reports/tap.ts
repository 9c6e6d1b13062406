import { readFile } from "node:fs/promises";
import type { TestCase } from "../../schema/wire/resources.ts";

/** The Test Anything Protocol, versions 12 to 14 (https://testanything.org), with subtests as Node and others write them. */

const POINT = /^( *)(not )?ok\b(?: (\d+))?(?: - ?| )?(.*)$/;
const DIRECTIVE = /(?:^|[^\\])#\s*(skip|todo)\b\s*(.*)$/i;

/** The cases of a report. @throws Error if it holds no test */
export async function readTap(file: string): Promise<TestCase[]> {
	return parseTap(await readFile(file, "utf8"));
}

interface Point extends TestCase {
	depth: number;
}

function parseTap(text: string): TestCase[] {
	const cases: TestCase[] = [];
	/** Test points of deeper levels whose parent has not come yet. */
	let below: Point[] = [];
	let newest: Point | null = null;
	let isInDetails = false;
	let planned: number | null = null;
	let seen = 0;
	const settle = (points: readonly Point[]) => cases.push(...points.map(({ depth: _, ...one }) => one));
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
		const depth = Math.floor((point[1] ?? "").length / 4);
		if (depth === 0) seen += 1;
		newest = { ...pointOf(point[2] !== undefined, point[4] ?? "", point[3]), depth };
		const inner = below.filter((one) => one.depth > depth);
		below = below.filter((one) => one.depth <= depth);
		for (const one of inner) one.suite = one.suite === "" ? newest.name : `${newest.name} › ${one.suite}`;
		// A test with subtests is their sum; it counts only if it failed by itself.
		const isSum = inner.length > 0 && !(newest.state === "failed" && inner.every(({ state }) => state !== "failed"));
		below.push(...inner.map((one) => ({ ...one, depth })), ...(isSum ? [] : [newest]));
		if (isSum) newest = null;
		if (depth > 0) continue;
		settle(below);
		// What is said of a test comes after it.
		newest = newest === null ? null : withPlace(newest, cases);
		below = [];
	}
	settle(below);
	if (planned !== null && seen < planned) cases.push(made("", "(plan)", "failed", `${planned} tests were planned, ${seen} were run`));
	if (cases.length === 0 && planned !== 0) throw new Error("it holds no test");
	return cases;
}

/** The case as it stands in the list, so that what follows is added to it. */
function withPlace(point: Point, cases: TestCase[]): Point {
	const place = cases.at(-1) as TestCase;
	return Object.assign(place, { depth: point.depth });
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
