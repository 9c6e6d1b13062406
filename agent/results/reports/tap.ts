import type { TestCase } from "../../../schema/wire/resources.ts";
import { durationOf } from "./numbers.ts";
import { ReportError } from "./report_error.ts";
import type { ReportFile } from "./report_file.ts";
import { addCase, plainCase } from "./test_cases.ts";

/**
 * The Test Anything Protocol, versions 12 to 14 (https://testanything.org), with subtests as Node
 * and others write them.
 */

const POINT = /^( *)(not )?ok\b(?: (\d+))?(?: - ?| )?(.*)$/;
const DIRECTIVE = /(?:^|[^\\])#\s*(skip|todo)\b\s*(.*)$/i;
const PLAN = /^( *)1\.\.(\d{1,9})(.*)$/;
const MAX_DEPTH = 30;
/**
 * The cases that stand for a plan that was not kept, for all tests of a file, and for tests that
 * gave up.
 */
const [PLAN_CASE, ALL, BAIL_OUT] = ["(plan)", "(all)", "(bail out)"];

/** The cases of a report. @throws ReportError if it holds neither test nor plan */
export async function readTap(file: ReportFile): Promise<TestCase[]> {
	const reader = new TapReader();
	for await (const line of file.lines()) if (!reader.push(line)) break;
	return reader.cases();
}

/** Tests of one depth whose parent has not come yet. */
interface Level {
	cases: TestCase[];
	planned: number | null;
	seen: number;
}

class TapReader {
	/** By depth; the first has the finished tests. */
	readonly #levels: Level[] = [{ cases: [], planned: null, seen: 0 }];
	/** The test that details which follow belong to. */
	#newest: TestCase | null = null;
	/** How far the details are indented that are being read; null outside of them. */
	#details: number | null = null;
	#isBailedOut = false;

	/** @returns false once the tests have bailed out */
	push(line: string): boolean {
		if (this.#details !== null && this.#isDetail(line, this.#details)) return true;
		const [, indentation] = /^( *)---\s*$/.exec(line) ?? [];
		if (indentation !== undefined && this.#newest) {
			this.#details = indentation.length;
			return true;
		}
		const [, reason] = /^ *Bail out!\s*(.*)$/i.exec(line) ?? [];
		if (reason !== undefined) {
			this.#isBailedOut = true;
			this.#close(1);
			addCase(this.#top.cases, plainCase("", BAIL_OUT as string, "failed", reason || "The tests bailed out."));
			return false;
		}
		const plan = PLAN.exec(line);
		if (plan) this.#plan(depthOf(plan[1]), Number(plan[2]), plan[3] ?? "");
		const point = POINT.exec(line);
		if (point) this.#point(depthOf(point[1]), pointOf(point[2] !== undefined, point[4] ?? "", point[3]));
		return true;
	}

	cases(): TestCase[] {
		const { cases, planned, seen } = this.#top;
		if (cases.length === 0 && planned === null && this.#levels.length === 1) {
			throw new ReportError("it holds no test and no plan. Write what the tests print as TAP to this file.");
		}
		for (const one of this.#close(1)) addCase(cases, one);
		if (this.#isBailedOut) return cases;
		// Like prove: without a plan it is unknown whether all tests ran.
		const problem = planned === null ? "No plan says how many tests there are. They may have been interrupted." : mismatch(planned, seen);
		if (problem !== null) addCase(cases, plainCase("", PLAN_CASE as string, "failed", problem));
		return cases;
	}

	get #top(): Level {
		return this.#levels[0] as Level;
	}

	#level(depth: number): Level {
		for (let next = this.#levels.length; next <= depth; next += 1) this.#levels.push({ cases: [], planned: null, seen: 0 });
		return this.#levels[depth] as Level;
	}

	#plan(depth: number, planned: number, rest: string): void {
		const level = this.#level(depth);
		level.planned = planned;
		const [, directive, reason] = DIRECTIVE.exec(rest) ?? [];
		if (depth === 0 && planned === 0 && directive !== undefined) {
			addCase(level.cases, plainCase("", ALL as string, "skipped", reason?.trim() || null));
		}
	}

	#point(depth: number, own: TestCase): void {
		const inner = this.#close(depth + 1);
		const level = this.#level(depth);
		level.seen += 1;
		for (const one of inner) one.suite = one.suite === "" ? own.name : `${own.name} › ${one.suite}`;
		// A test with subtests is their sum; it counts only if it failed by itself.
		const isSum = inner.length > 0 && !(own.state === "failed" && inner.every(({ state }) => state !== "failed"));
		for (const one of inner) addCase(level.cases, one);
		if (!isSum) addCase(level.cases, own);
		// The details of a test come after it.
		this.#newest = isSum ? null : own;
	}

	/** Takes out the tests from this depth on. */
	#close(depth: number): TestCase[] {
		return this.#levels.splice(depth).flatMap(({ cases, planned, seen }) => {
			const problem = planned === null ? null : mismatch(planned, seen);
			return problem === null ? cases : [...cases, plainCase("", PLAN_CASE as string, "failed", problem)];
		});
	}

	/** Whether the line is one of the details; a test that is indented less ends them, too. */
	#isDetail(line: string, indentation: number): boolean {
		const indent = line.length - line.trimStart().length;
		if (line.trim() === "..." && indent <= indentation) {
			this.#details = null;
			return true;
		}
		if (indent < indentation && POINT.test(line)) {
			this.#details = null;
			return false;
		}
		if (this.#newest) addDetail(this.#newest, line);
		return true;
	}
}

function depthOf(indentation: string | undefined): number {
	return Math.min(MAX_DEPTH, Math.floor((indentation ?? "").length / 4));
}

function mismatch(planned: number, seen: number): string | null {
	return seen === planned ? null : `${planned} tests were planned, ${seen} were run`;
}

function pointOf(isFailed: boolean, text: string, number: string | undefined): TestCase {
	const directive = DIRECTIVE.exec(text);
	const name = (directive ? text.slice(0, directive.index + (text[directive.index] === "#" ? 0 : 1)) : text).trim().replaceAll("\\#", "#");
	const isSkipped = directive?.[1]?.toLowerCase() === "skip";
	// A test that is marked TODO may fail.
	const isTodo = directive?.[1]?.toLowerCase() === "todo";
	const state = isSkipped || (isTodo && isFailed) ? "skipped" : isFailed ? "failed" : "passed";
	return plainCase("", name || `test ${number ?? ""}`.trim(), state, directive?.[2]?.trim() || null);
}

function addDetail(point: TestCase, line: string): void {
	const text = line.trim();
	const [, milliseconds] = /^duration_ms:\s*([\d.]+)/.exec(text) ?? [];
	if (milliseconds !== undefined) point.duration_ms = durationOf(Number(milliseconds) / 1000);
	if (point.state !== "failed") return;
	const [, said] = /^(?:message|error):(.*)$/.exec(text) ?? [];
	const message = said?.trim().replace(/^['"]|['"]$/g, "");
	if (message && !/^[|>][-+]?$/.test(message)) point.message ??= message;
	point.output = `${point.output ?? ""}${line}\n`;
}
