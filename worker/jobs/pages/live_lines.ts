import { SSE_HEADERS, streamed } from "../../http/answers.ts";
import { attempt, integer, text } from "../../http/parameters.ts";
import type { Queried, RequestContext } from "../../http/route.ts";
import { isStillValid } from "../../identity/still_valid.ts";
import { renderLines, renderPartialLine } from "../../logs/pages/log_lines.tsx";
import { followLines, ShownLineSplitter } from "../../logs/service.ts";
import { requireJob } from "../../record/require.ts";
import { firstRendering, writeUpdates } from "../../ui/live.ts";
import { jobPage } from "./pages.tsx";

const MOST = Number.MAX_SAFE_INTEGER;

/** Where the lines begin: the attempt, the byte offset, and the line number there. */
export const LIVE_LINES = {
	attempt,
	offset: integer("the byte offset of the first line", { least: 0, most: MOST, fallback: 0 }),
	live: text("the signature of the page"),
	number: integer("the number of the first line", { least: 1, most: MOST, fallback: 1 }),
};

/**
 * GET /jobs/:id/lines: the log from an offset on as markup, in server-sent events.
 * An event's id has the offset and number of the next line, so that a stream resumes without a gap.
 * Updates of an incomplete line are events of their own, each with the whole line. The updates of
 * the job's page come in the same stream.
 */
export async function lines(context: RequestContext<"user"> & Queried<typeof LIVE_LINES>): Promise<Response> {
	const { request, query, environment, principal, params } = context;
	const record = await requireJob(environment, principal.team, params.id ?? "");
	const resumed = /^(\d{1,15})-(\d{1,15})$/.exec(request.headers.get("Last-Event-ID") ?? "");
	const offset = resumed ? Number(resumed[1]) : query.offset;
	let number = resumed ? Number(resumed[2]) : query.number;
	const ofPage = { ...context, url: pageOf(context) };
	const first = await firstRendering(ofPage, jobPage, query.live);
	return streamed(SSE_HEADERS, (write) => {
		// They end with the stream: then a write fails. The ids of events are those of lines.
		const following = { context: ofPage, handle: jobPage, first, known: query.live, hasIds: false };
		void writeUpdates(following, write).catch(() => undefined);
		return followLines(
			environment,
			record,
			query.attempt,
			{ attempt: query.attempt, offset },
			{
				lines: (batch) => {
					const markup = renderLines(batch.lines, number);
					number += batch.lines.length;
					return write(`id: ${batch.nextOffset}-${number}\ndata: ${markup.replace(/\n/g, "")}\n\n`);
				},
				partial: (line) => write(`event: partial\ndata: ${renderPartialLine(line.text, number).replace(/\n/g, "")}\n\n`),
				idle: async () => {
					if (!(await isStillValid(context))) throw new Error("the user has signed out");
					await write(": still here\n\n");
				},
				end: (state) => write(`event: end\ndata: ${state}\n\n`),
			},
			(from) => new ShownLineSplitter(from),
		);
	});
}

/** The address of the page that shows the log. */
function pageOf({ url, params, query }: RequestContext<"user"> & Queried<typeof LIVE_LINES>): URL {
	const page = new URL(`/jobs/${params.id}`, url);
	if (query.attempt !== null) page.searchParams.set("attempt", String(query.attempt));
	return page;
}
