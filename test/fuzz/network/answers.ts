import path from "node:path";
import { ERROR_STATUS, type ErrorCode, errorBody } from "../../../schema/wire/errors.ts";
import type { Answer } from "./wire.ts";

/** What every answer promises, whatever was asked. */

/** Words that come from inside: a stack, a statement, a place on the disk, the runtime below. */
const INSIDE = [
	/\bat (?:async )?[\w.<>#$]+ \([^)]*:\d+\)/,
	/\.(?:ts|tsx|mjs|c\+\+|h|js):\d+/,
	/\b(?:SQLITE|D1)_[A-Z]+\b|no such (?:table|column)|constraint failed|syntax error near/i,
	/\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM)\b[\s\S]{1,200}\b(?:FROM|VALUES|SET|WHERE)\b/,
	/\bworkerd\b|\bkj::|\bjsg\b|\bminiflare\b/i,
	/file:\/\/\/\w|\/node_modules\/|\/proc\//,
	/\b(?:TypeError|RangeError|SyntaxError|ReferenceError|ZodError|AssertionError)\b/,
	/Maximum call stack|\[object Object\]/,
];

/**
 * What workerd says by itself to bytes that it does not take for a request; the Worker never sees them. It has no words for
 * these that would be ours to choose, and nothing of the coordinator is in them.
 */
const BELOW_US: readonly { status: number; body: RegExp }[] = [
	{ status: 400, body: /^(?:invalid|unexpected) [\w -]+ parsed$|^invalid URI$|^Bad Request$/ },
	{ status: 431, body: /^message head is too large$/ },
	{ status: 501, body: /^ERROR: Unrecognized request method\.$/ },
];

export interface Asked {
	/** Everything that was sent, as text: what is found in it may be in the answer. */
	sent: string;
	/** The path, where there is one to be sure of. */
	path: string | null;
	method: string | null;
	/** Whether the request may be one that workerd refuses by itself. */
	mayBeBroken?: boolean;
}

/** @throws Error naming the promise that is broken */
export function assertHonest(answer: Answer, asked: Asked): void {
	const { status, headers, body } = answer;
	const text = body.toString("utf8");
	const fail = (what: string): never => {
		throw new Error(`${what}\n${status} ${JSON.stringify(Object.fromEntries(headers))}\n${text.slice(0, 2000)}`);
	};
	if (!headers.has("x-request-id")) {
		// To HEAD even this comes without its words.
		const isBelow = BELOW_US.some((known) => known.status === status && (text === "" || known.body.test(text)));
		if (!isBelow || !asked.mayBeBroken) fail("an answer that is not the Worker's");
		return;
	}
	if (status >= 500 && !(status === 503 && (headers.has("retry-after") || asked.path === "/readyz"))) fail("the coordinator is at fault");
	assertNothingFromInside(text, asked, fail);
	for (const value of headers.values()) assertNothingFromInside(value, asked, fail);
	if (status === 405 && !headers.has("allow")) fail("405 without Allow");
	if (status >= 400 && asked.path?.startsWith("/api/v1") && asked.method !== "HEAD" && answer.isWhole) assertErrorShape(answer, text, fail);
}

function assertErrorShape({ status, headers }: Answer, text: string, fail: (what: string) => never): void {
	if (!/^application\/json\b/.test(headers.get("content-type") ?? "")) fail("an error that is not JSON");
	const parsed = errorBody.safeParse(parsedJson(text));
	if (!parsed.success) fail("an error of another shape");
	const { error, request_id } = parsed.data as { error: string; request_id: string };
	if (ERROR_STATUS[error as ErrorCode] !== status) fail("a code that does not go with the status");
	if (request_id !== headers.get("x-request-id")) fail("two request ids");
}

function parsedJson(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}

function assertNothingFromInside(text: string, { sent }: Asked, fail: (what: string) => never): void {
	for (const pattern of [...INSIDE, ...PLACES]) {
		const [found] = pattern.exec(text) ?? [];
		if (found !== undefined && !sent.includes(found)) fail(`something from inside: ${JSON.stringify(found)}`);
	}
}

/** Where this program and its data lie. */
const PLACES = [path.resolve(import.meta.dirname, "../../.."), "/windlass-test-"].map((place) => new RegExp(escaped(place)));

function escaped(text: string): string {
	return text.replace(/[/\-.*+?^${}()|[\]\\]/g, "\\$&");
}
