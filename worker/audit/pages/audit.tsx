import { AUDITED, type AuditEntry } from "../../../schema/wire/audit.ts";
import { numberCursor } from "../../http/parameters.ts";
import { pageRoute, type Queried, type RequestContext } from "../../http/route.ts";
import { auditLogOf } from "../../platform/audit_log.ts";
import { page } from "../../ui/layout.tsx";
import { Ago } from "../../ui/words.tsx";
import { FILTER } from "../api.ts";

/** GET /audit: who changed what, newest first. */

const SHOWN = 50;
const QUERY = { cursor: numberCursor(), ...FILTER };

type Reader = RequestContext<"user"> & Queried<typeof QUERY>;

async function auditPage(context: Reader): Promise<Response> {
	const { environment, principal, query } = context;
	const { cursor, ...filter } = query;
	const found = await auditLogOf(environment, principal.team).list(filter, cursor, SHOWN + 1);
	const entries = found.slice(0, SHOWN);
	const next = found.length > SHOWN ? entries.at(-1)?.seq : undefined;
	const children = <AuditView entries={entries} actor={filter.actor ?? ""} event={filter.event ?? ""} next={next} />;
	return page(context, { title: "Audit log", section: "settings", children });
}

interface AuditViewProps {
	entries: readonly AuditEntry[];
	actor: string;
	event: string;
	/** The number before which the next page begins. */
	next: number | undefined;
}

function AuditView({ entries, actor, event, next }: AuditViewProps) {
	const filter = new URLSearchParams({ ...(actor && { actor }), ...(event && { event }) });
	return (
		<section>
			<h1>Audit log</h1>
			<p class="soft">
				What people and programs have changed, sign-ins, and which jobs got secrets. <code>windlass audit verify</code> checks that no entry
				was changed or removed.
			</p>
			<form action="/audit" class="row" data-auto>
				<input name="actor" value={actor} placeholder="actor" aria-label="Actor" />
				<select name="event" aria-label="Event">
					<option value="">all events</option>
					{AUDITED.map((one) => (
						<option key={one} value={one} selected={one === event}>
							{one}
						</option>
					))}
				</select>
				<button type="submit">Apply</button>
			</form>
			{entries.length === 0 && <p class="empty">No entry.</p>}
			<ul class="list">
				{entries.map((entry) => (
					<Entry key={entry.seq} entry={entry} />
				))}
			</ul>
			{next !== undefined && (
				<p>
					<a href={`/audit?${new URLSearchParams([...filter, ["cursor", String(next)]])}`}>Older entries</a>
				</p>
			)}
		</section>
	);
}

function Entry({ entry }: { entry: AuditEntry }) {
	const { seq, at, event, actor, via, what, details, outcome, address } = entry;
	const more = Object.entries(details).map(([name, value]) => `${name} ${value ?? "none"}`);
	return (
		<li class="row">
			<span class="grow">
				<b>{actor}</b> <code>{what}</code>
				{outcome === "refused" && <span class="bad"> refused</span>}
				{more.length > 0 && <span>{` · ${more.join(" · ")}`}</span>}
				<br />
				<span class="soft">
					{`#${seq} · ${event} · `}
					<Ago at={new Date(at).toISOString()} />
					{address === null ? "" : ` · from ${address}`}
					{via === null ? "" : ` · ${via}`}
				</span>
			</span>
		</li>
	);
}

export const auditPages = [
	pageRoute({ method: "GET", path: "/audit", allow: ["user"], action: "audit.read", query: QUERY, handle: auditPage }),
];
