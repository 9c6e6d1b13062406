import { AUDITED, auditEntry, exportHead } from "../../schema/wire/audit.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import type { AuditFilter } from "../bindings.ts";
import { json, streamed } from "../http/answers.ts";
import { listOf } from "../http/pages.ts";
import { limit, numberCursor, oneOf, type Parameter, text } from "../http/parameters.ts";
import { type Queried, type RequestContext, route } from "../http/route.ts";
import { auditLogOf } from "../platform/audit_log.ts";

type Caller = RequestContext<"user">;

const EXPORTED_AT_ONCE = 500;
const EXPORT_HEADERS = { "Content-Type": "application/x-ndjson; charset=utf-8", "Cache-Control": "no-store, no-transform" };

/** A time, as text in the answer is; null by default. */
function time(description: string): Parameter<number | null> {
	return {
		...text(description),
		read(given, name) {
			if (given === null) return null;
			const at = Date.parse(given);
			if (Number.isFinite(at)) return at;
			throw new ApiError("malformed", `${name}: ${JSON.stringify(given.slice(0, 100))} is not a time.`, {
				details: { parameter: name },
				suggestions: ["Write it as 2026-01-31 or 2026-01-31T12:00:00Z."],
			});
		},
	};
}

export const FILTER = {
	actor: text("only entries of this person, program or agent"),
	event: oneOf("only entries of this event", AUDITED),
	since: time("only entries of this time or later"),
	until: time("only entries from before this time"),
};
const LIST = { limit: limit(), cursor: numberCursor(), ...FILTER };

async function list({ query, environment, principal }: Caller & Queried<typeof LIST>): Promise<Response> {
	const { limit: most, cursor, ...filter } = query;
	const found = await auditLogOf(environment, principal.team).list(filter satisfies AuditFilter, cursor, most + 1);
	const shown = found.slice(0, most);
	return json({ items: shown, next_cursor: found.length > most ? String(shown.at(-1)?.seq) : null });
}

/** GET /audit/export: a line with the place before the first entry, then each entry on a line, oldest first. */
function exportAll({ environment, principal }: Caller): Response {
	const auditLog = auditLogOf(environment, principal.team);
	return streamed(EXPORT_HEADERS, async (write) => {
		const first = await auditLog.following(null, EXPORTED_AT_ONCE);
		let { entries } = first;
		await write(`${JSON.stringify(exportHead.parse({ after: first.after }))}\n`);
		while (entries.length > 0) {
			await write(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
			const last = entries.at(-1)?.seq ?? 0;
			const next = await auditLog.following(last, EXPORTED_AT_ONCE);
			// A gap would look as if somebody had removed entries.
			if (next.after.seq > last) throw new Error("entries have expired while they were exported");
			entries = next.entries;
		}
	});
}

export const auditRoutes = [
	route({
		method: "GET",
		path: "/api/v1/audit",
		allow: ["user"],
		action: "audit.read",
		description: { summary: "The audit log, newest first", answers: { 200: listOf(auditEntry) } },
		query: LIST,
		handle: list,
	}),
	route({
		method: "GET",
		path: "/api/v1/audit/export",
		allow: ["user"],
		action: "audit.read",
		description: {
			summary: "The whole audit log as JSON lines, oldest first; windlass audit verify checks it",
			answers: { 200: "application/x-ndjson" },
		},
		handle: exportAll,
	}),
];
