import { ApiError } from "../../schema/wire/errors.ts";
import { SSE_HEADERS, streamed } from "../http/answers.ts";
import { type AnonymousContext, pageRoute, type RequestContext, type Route } from "../http/route.ts";
import type { Principal } from "../identity/principal.ts";
import { isStillValid } from "../identity/still_valid.ts";
import { isVisitor } from "../identity/visitors.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { FeedBudget } from "../platform/feed_budget.ts";
import { sleep } from "../platform/sleep.ts";
import { timedCache } from "../platform/timed_cache.ts";
import { type Followed, type Rendering, renderingOf } from "./layout.tsx";
import { ACTING, partText } from "./parts.ts";
import { signatureOf } from "./signature.ts";
import { UpdatePace } from "./update_pace.ts";

/**
 * Updates of an open page, as server-sent events at the address of the page itself. The server
 * renders the page again after a change, and sends the parts that differ.
 */

const HOLD_MS = 15_000;
/** Lists come from D1, which gets changes a moment after the queue. So the page is rendered again then. */
const SETTLED_MS = 1_500;
/** Idle pages share a rendering that is not older than this. */
const SHARED_MS = 1_000;
/** About what it takes to render a page, by itself and for each kilobyte, in milliseconds. */
const PAGE_MS = 2;
const KILOBYTE_MS = 0.1;

type Reader = RequestContext<"user">;
type Handler = (context: Reader) => Promise<Response>;
type Write = (text: string) => Promise<void>;

/** Declares a page that keeps itself up to date: its address answers with its updates, too. */
export function livePageRoute({ path, handle, visitors }: { path: string; handle: Handler; visitors?: true }): Route {
	return pageRoute({
		method: "GET",
		path,
		allow: ["user"],
		action: "read",
		...(visitors && { visitors }),
		handle: (context: Reader) =>
			// Visitors may be many: their pages stand still, so that those of the team go on.
			wantsUpdates(context) && !isVisitor(context.principal) ? updates(context, handle) : wholePage(context, handle),
	});
}

/** Whether a request asks for the updates of a page, and not for the page. */
export function wantsUpdates({ request }: Pick<AnonymousContext, "request">): boolean {
	return (request.headers.get("Accept") ?? "").startsWith("text/event-stream");
}

/** The page is remembered: a moment later its updates begin with what has changed since. */
async function wholePage(context: Reader, handle: Handler): Promise<Response> {
	const at = Date.now();
	const response = await handle(context);
	const rendering = renderingOf(response);
	if (rendering) shared.set(keyOf(context.principal, context.url), { at, rendering });
	return response;
}

/** The first rendering comes before the answer: an error ends the stream of the browser for good. */
async function updates(context: Reader, handle: Handler): Promise<Response> {
	// The browser names the last update that it got.
	const known = context.request.headers.get("Last-Event-ID") ?? context.url.searchParams.get("live");
	const first = await firstRendering(context, handle, known);
	return streamed(SSE_HEADERS, (write) => writeUpdates({ context, handle, first, known, hasIds: true }, write));
}

/** A page, and when it was rendered, in milliseconds since 1970. */
interface Shown {
	at: number;
	rendering: Rendering | null;
}

interface Started {
	rev: number;
	shown: Shown;
	/** What the reader has; null if it is not remembered. */
	before: Rendering | null;
}

/**
 * A page as it is now, for `writeUpdates`.
 * @param known the signature of what the reader has; null if it is unknown
 * @throws every error of the page
 */
export async function firstRendering(context: Reader, handle: Handler, known: string | null): Promise<Started> {
	const last = shared.get(keyOf(context.principal, context.url))?.rendering ?? null;
	const before = last !== null && signatureOf(last.rendered) === known ? last : null;
	const rev = await dispatcherOf(context.environment, context.principal.team).nextRev(0, 0);
	return { rev, shown: await rendered(context, handle, Date.now()), before };
}

interface Following {
	context: Reader;
	handle: Handler;
	first: Started;
	/** The signature of what the reader has; null if it is unknown. */
	known: string | null;
	/** Whether each update has its signature as the id of its event. */
	hasIds: boolean;
}

/** Writes the updates of a page until it has nothing more to follow, is gone, or the session ends. */
export async function writeUpdates({ context, handle, first, known, hasIds }: Following, write: Write): Promise<void> {
	let { rev, shown } = first;
	const pace = new UpdatePace(() => Date.now());
	if (shown.rendering !== null) {
		const isCurrent = known === signatureOf(shown.rendering.rendered);
		const event = isCurrent ? ": following\n\n" : eventOf(first.before, shown.rendering, hasIds);
		pace.spend(event.length);
		await write(event);
	}
	let isSettled = false;
	while (shown.rendering !== null && shown.rendering.follows !== null) {
		const changed: number = await nextChange(context, shown.rendering.follows, rev, isSettled ? HOLD_MS : SETTLED_MS);
		if (!(await isStillValid(context))) return;
		isSettled = changed === rev;
		rev = changed;
		const since = isSettled ? Date.now() - SHARED_MS : Date.now();
		if (!isSettled) await sleep(pace.waitMs);
		await sleep(budget.reserve(PAGE_MS));
		const next = await renderedOrGone(context, handle, Math.max(since, shown.at));
		if (next.rendering !== null) {
			const event = eventOf(shown.rendering, next.rendering, hasIds);
			pace.spend(event.length);
			await write(event);
		}
		shown = next;
	}
	await write("event: settled\ndata: \n\n");
}

async function nextChange({ environment, principal }: Reader, follows: Followed, rev: number, holdMs: number): Promise<number> {
	const dispatcher = dispatcherOf(environment, principal.team);
	if (follows === "everything") return dispatcher.nextRev(rev, holdMs);
	// A run that has left the queue changes no more; its page may follow others.
	return (await dispatcher.nextRevOfRun(follows.run, rev, holdMs)) ?? dispatcher.nextRev(rev, holdMs);
}

/** The time for updates of all open pages is bounded, so that jobs go on beside them. */
const budget = new FeedBudget(() => Date.now());

/**
 * Pages that several people have open are rendered once for each change. Only finished renderings are
 * shared: what one request waits for, another one must not wait for.
 */
const shared = timedCache<Shown>(100, 60_000);

/** The page as it was at that time or later. Without a rendering for an answer that is no page. */
async function rendered(context: Reader, handle: Handler, since: number): Promise<Shown> {
	const key = keyOf(context.principal, context.url);
	const known = shared.get(key);
	if (known && known.at >= since) return known;
	const at = Date.now();
	const rendering = renderingOf(await handle(context));
	if (rendering) {
		budget.spend((KILOBYTE_MS * sizeOf(rendering)) / 1000);
		shared.set(key, { at, rendering });
	}
	return { at, rendering };
}

/** The same; without a rendering for a page that is gone, such as that of a deleted run. */
async function renderedOrGone(context: Reader, handle: Handler, since: number): Promise<Shown> {
	try {
		return await rendered(context, handle, since);
	} catch (error) {
		if (error instanceof ApiError && error.status < 500) return { at: since, rendering: null };
		throw error;
	}
}

function sizeOf({ rendered: { parts } }: Rendering): number {
	return [...parts.values()].reduce((sum, { length }) => sum + length, 0);
}

function keyOf(principal: Principal & { kind: "user" }, url: URL): string {
	const search = new URLSearchParams(url.searchParams);
	search.delete("live");
	search.delete(ACTING);
	return JSON.stringify([principal.team, principal.name, url.origin, url.pathname, search.toString()]);
}

/**
 * The parts that differ, as an event; a comment if none does. A part with a script of its own has a
 * mark: a reader who has it, leaves it as it is.
 */
function eventOf(before: Rendering | null, now: Rendering, hasIds: boolean): string {
	const { parts: texts, ownScript } = now.rendered;
	const parts = [...texts]
		.filter(([id, text]) => (ownScript.has(id) ? before?.rendered.parts.has(id) !== true : before?.rendered.parts.get(id) !== text))
		.map(([id, text]) => (ownScript.has(id) ? [id, partText(text), "own"] : [id, partText(text)]));
	const head = before?.title === now.title ? {} : { title: now.title, icon: now.icon };
	if (parts.length === 0 && !("title" in head)) return ": still here\n\n";
	const signature = signatureOf(now.rendered);
	const id = hasIds ? `id: ${signature}\n` : "";
	return `event: parts\n${id}data: ${JSON.stringify({ ...head, signature, parts })}\n\n`;
}
