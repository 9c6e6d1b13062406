import * as z from "zod";
import type { AttemptRow } from "../../schema/database/tables.ts";
import { LogFormatter } from "../../schema/text/log_formatter.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { FORMATS_OF_LOGS, type LogFormat } from "../../schema/wire/log_formats.ts";
import type { LogLines, LogMatches } from "../../schema/wire/resources.ts";
import * as resources from "../../schema/wire/resources.ts";
import { isTerminal } from "../../schema/wire/states.ts";
import type { Environment } from "../bindings.ts";
import { json, SSE_HEADERS, streamed, TEXT_STREAM_HEADERS } from "../http/answers.ts";
import { isNotModified } from "../http/entity_tags.ts";
import { attempt, flag, integer, invalidParameter, limit, oneOf, type Parameter, text } from "../http/parameters.ts";
import { rangeOf } from "../http/ranges.ts";
import { type Queried, type RequestContext, route } from "../http/route.ts";
import { whileStillValid } from "../identity/still_valid.ts";
import { requireJob } from "../record/require.ts";
import type { JobRecord } from "../record/runs.ts";
import { FollowedText } from "./followed_text.ts";
import { readLineBlock } from "./line_index.ts";
import { isLogComplete, logSize, readLog } from "./reader.ts";
import { searchLog } from "./search.ts";
import { assertNotExpired, attemptOf, attemptsToFollow, followLines, type ResumePoint, requireAttempt } from "./service.ts";

type Caller = RequestContext<"user" | "host">;

/** For the current bytes of a log: unlike a followed log, they may be compressed. */
const LOG_HEADERS = {
	"Content-Type": "text/plain; charset=utf-8",
	"Cache-Control": "no-store",
	"X-Content-Type-Options": "nosniff",
};
const MAX_LINES = 1_000;
const MAX_QUERY = 200;

const LOG = {
	attempt,
	format: oneOf("text: as stored; raw: without times; clean: without times and colors", FORMATS_OF_LOGS),
	follow: flag("1: follow the log until the job ends, with later attempts"),
};

/** GET /jobs/:id/log: the log of one attempt, as text (with Range), followed, or as server-sent events. */
async function getLog(context: Caller & Queried<typeof LOG>): Promise<Response> {
	const { request, query, environment, principal, params } = context;
	const record = await requireJob(environment, principal.team, params.id ?? "");
	const number = query.attempt;
	const format = query.format ?? "text";
	const requested = attemptOf(record, number);
	if (requested) assertNotExpired(requested);
	const isEventStream = /\btext\/event-stream\b/.test(request.headers.get("Accept") ?? "");
	if (isEventStream) {
		if (format !== "text")
			throw new ApiError("validation_failed", "format: server-sent events have the stored lines only.", {
				suggestions: ["Leave out format."],
			});
		const resume = resumePoint(request);
		// An offset alone is enough only when the URL names the attempt.
		const idOf = (attempt: number, offset: number) => (number === null ? `${attempt}-${offset}` : String(offset));
		return streamed(SSE_HEADERS, (unchecked) => {
			const write = whileStillValid(context, unchecked);
			return followLines(environment, record, number, resume, {
				lines: (batch, attempt) =>
					write(`id: ${idOf(attempt, batch.nextOffset)}\n${batch.lines.map((line) => `data: ${line.replace(/\r/g, "")}\n`).join("")}\n`),
				// No id: after a reconnect the client gets the whole line.
				partial: (line) => write(`event: partial\ndata: ${line.latest}\n\n`),
				idle: () => write(": still here\n\n"),
				end: (state) => write(`event: end\ndata: ${JSON.stringify({ state })}\n\n`),
			});
		});
	}
	if (query.follow) {
		return streamed(TEXT_STREAM_HEADERS, (write) => followText(environment, record, number, format, whileStillValid(context, write)));
	}
	if (!requested) return new Response("", { headers: TEXT_STREAM_HEADERS });
	return logText(environment, request, requested, format);
}

/** The requested lines: at most 1,000. */
export const LINES = {
	attempt,
	from: firstLine("the first line; -N: the last N"),
	count: integer("the number of lines (default 500; at most 1000)", { least: 1, most: MAX_LINES, fallback: 500 }),
};

/** A line number, counted from 0; a negative number counts from the end. */
function firstLine(description: string): Parameter<number> {
	return {
		description,
		schema: z.number().int(),
		read(given) {
			const text = given ?? "0";
			if (/^-[1-9]\d{0,3}$/.test(text) || /^\d{1,15}$/.test(text)) return Number(text);
			throw invalidParameter("from", `${JSON.stringify(text)} is not a line number.`, "Use, for example, from=0 or from=-100.");
		},
	};
}

/** GET /jobs/:id/log/lines: lines by their numbers, counted from 0; a negative `from` counts from the end. */
async function getLines({ query, environment, principal, params }: Caller & Queried<typeof LINES>): Promise<Response> {
	const attempt = await requireAttempt(environment, principal.team, params.id ?? "", query.attempt);
	const block = await readLineBlock(environment, attempt, query.from, query.count);
	const answer: LogLines = { first: block.first, lines: block.lines, next_offset: block.nextOffset, total: block.total };
	return json(answer);
}

const SEARCH = {
	attempt,
	q: text("the text"),
	from: integer("the first line to search", { least: 0, most: Number.MAX_SAFE_INTEGER, fallback: 0 }),
	limit: limit(100),
};

/** GET /jobs/:id/log/search: the lines that contain a text. */
async function search({ query, environment, principal, params }: Caller & Queried<typeof SEARCH>): Promise<Response> {
	const text = query.q ?? "";
	if (text === "" || text.length > MAX_QUERY)
		throw invalidParameter("q", `The text must have 1 to ${MAX_QUERY} characters.`, "Use, for example, q=error.");
	const attempt = await requireAttempt(environment, principal.team, params.id ?? "", query.attempt);
	const { matches, nextLine } = await searchLog(environment, attempt, { text, first: query.from, limit: query.limit });
	const answer: LogMatches = { items: matches, next_line: nextLine };
	return json(answer);
}

/**
 * Where an event stream resumes. An event's id is the offset of the next line, after its attempt
 * where attempts can change.
 */
function resumePoint(request: Request): ResumePoint {
	const [, attempt, offset] = /^(?:(\d{1,9})-)?(\d{1,15})$/.exec(request.headers.get("Last-Event-ID") ?? "") ?? [];
	return { attempt: attempt === undefined ? null : Number(attempt), offset: Number(offset ?? 0) };
}

async function logText(environment: Environment, request: Request, attempt: AttemptRow, format: LogFormat): Promise<Response> {
	const size = await logSize(environment, attempt);
	const isRanged = format === "text";
	// A live log gets a new version with every line, and so no ETag.
	const etag = isLogComplete(attempt) && isTerminal(attempt.state) ? `"${attempt.id}-${size}${isRanged ? "" : `-${format}`}"` : null;
	const headers: Record<string, string> = { ...LOG_HEADERS };
	if (isRanged) headers["Accept-Ranges"] = "bytes";
	if (etag) headers.ETag = etag;
	if (etag && isNotModified(request, etag)) return new Response(null, { status: 304, headers });
	const range = isRanged ? rangeOf(request, size, etag) : null;
	const { start, end } = range ?? { start: 0, end: size };
	if (range) headers["Content-Range"] = `bytes ${start}-${end - 1}/${size}`;
	// An archived log is sent from R2 without processing.
	if (isRanged && attempt.log_archived === 1 && attempt.log_key !== null && start < end) {
		const offset = (attempt.log_offset ?? 0) + start;
		const object = await environment.BUCKET.get(attempt.log_key, { range: { offset, length: end - start } });
		if (object)
			return new Response(object.body, { status: range ? 206 : 200, headers: { ...headers, "Content-Length": String(end - start) } });
	}
	const formatter = format === "text" ? null : new LogFormatter(format);
	const body = streamed(headers, async (write) => {
		for await (const bytes of readLog(environment, attempt, { offset: start, until: end, isFollowing: false })) {
			if (bytes) await write(formatter ? formatter.push(bytes) : bytes);
		}
		if (formatter) await write(formatter.flush());
	});
	return new Response(body.body, { status: range ? 206 : 200, headers });
}

/** A followed log as text: waits for the job to start, and continues with later attempts. */
async function followText(
	environment: Environment,
	record: JobRecord,
	number: number | null,
	format: LogFormat,
	write: (text: string | Uint8Array) => Promise<void>,
): Promise<void> {
	const text = new FollowedText(write);
	const keepAlive = (state: string) => text.keepAlive(() => `:: still ${state}`);
	for await (const attempt of attemptsToFollow(environment, record, number, keepAlive)) {
		if (attempt.number > 1 && number === null) await text.notice(`:: attempt ${attempt.number}`);
		const formatter = format === "text" ? null : new LogFormatter(format);
		for await (const bytes of readLog(environment, attempt, { offset: 0, until: null, isFollowing: true })) {
			if (bytes === null) await keepAlive("running");
			else await text.write(formatter ? formatter.push(bytes) : bytes);
		}
		if (formatter) await text.write(formatter.flush());
	}
}

export const jobLogRoutes = [
	route({
		method: "GET",
		path: "/api/v1/jobs/:id/log",
		visitors: true,
		allow: ["user", "host"],
		action: "read",
		description: {
			summary: "The log of an attempt: as text with Range, followed, or as server-sent events (Accept: text/event-stream)",
			headers: {
				Range: "bytes, of format=text",
				"If-Range": "its ETag; only the log of an ended attempt has one",
				"If-None-Match": "its ETag",
				"Last-Event-ID": "where the event stream resumes",
			},
			answers: { 200: "text/plain", 206: "text/plain" },
		},
		query: LOG,
		handle: getLog,
	}),
	route({
		method: "GET",
		path: "/api/v1/jobs/:id/log/lines",
		visitors: true,
		allow: ["user", "host"],
		action: "read",
		description: { summary: "Lines of a log by their numbers, counted from 0", answers: { 200: resources.logLines } },
		query: LINES,
		handle: getLines,
	}),
	route({
		method: "GET",
		path: "/api/v1/jobs/:id/log/search",
		visitors: true,
		allow: ["user", "host"],
		action: "read",
		description: { summary: "The lines of a log that contain a text, in upper or lower case", answers: { 200: resources.logMatches } },
		query: SEARCH,
		handle: search,
	}),
];
