import { NOT_ASKED } from "../../schema/wire/outbound.ts";
import { retryAfterOf } from "./retry_after.ts";

/**
 * The coordinator's way to other servers. On the local host every call passes through the host, which looks at the address after it was resolved and
 * lets through what its list allows (cli/outbound.ts); on the edge the platform reaches public addresses only. Nobody is followed to another server.
 */

export interface Outgoing {
	url: string;
	method: "POST";
	headers: Record<string, string>;
	body: string;
	/** What of it is secret: whatever the answer says, it is not told. */
	hidden: readonly string[];
	/** Whether redirects within the origin are followed, as a forge's API answers for a repository that was renamed. */
	followsWithinOrigin?: boolean;
}

const TIMEOUT_MS = 15_000;
const MAX_ERROR_CHARACTERS = 300;
const MAX_REDIRECTS = 3;
/** GitHub and Gitea ask for the same request with these; with 303 a server asks for another one. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 307, 308]);

/** A call that did not come to what it should. */
export class NotSent extends Error {
	override name = "NotSent";
	/** Whether trying again is of no use. */
	readonly isFinal: boolean;
	/** How long the server asks to be left alone. */
	readonly retryAfterMs: number | null;
	readonly status: number | null;

	constructor(message: string, { isFinal = false, retryAfterMs = null as number | null, status = null as number | null } = {}) {
		super(message);
		this.isFinal = isFinal;
		this.retryAfterMs = retryAfterMs;
		this.status = status;
	}
}

/** @throws NotSent for anything but a status from 200 to 299 */
export async function send({ url, hidden, followsWithinOrigin = false, ...init }: Outgoing): Promise<void> {
	const where = new URL(url).host;
	const shown = (text: string) => hidden.reduce((rest, secret) => (secret === "" ? rest : rest.replaceAll(secret, "***")), text);
	let response: Response;
	try {
		const headers = { "User-Agent": "windlass", ...init.headers };
		const request = { ...init, headers, redirect: "manual", signal: AbortSignal.timeout(TIMEOUT_MS) } as const;
		response = followsWithinOrigin ? await fetchWithinOrigin(url, request) : await fetch(url, request);
	} catch (error) {
		throw new NotSent(`${where} does not answer: ${shown((error as Error).message)}`);
	}
	const text = shown(await response.text().catch(() => "")).slice(0, MAX_ERROR_CHARACTERS);
	const { status } = response;
	const notAsked = response.headers.get(NOT_ASKED);
	if (notAsked !== null) throw new NotSent(text, { isFinal: notAsked === "refused" });
	if (status >= 200 && status < 300) return;
	if (status >= 300 && status < 400) {
		throw new NotSent(`${where} leads to ${originOf(response.headers.get("Location"), url)}, where nobody is followed: use that address`, {
			isFinal: true,
			status,
		});
	}
	const isLimited = status === 429 || (status === 403 && saysTooMuch(response.headers, text));
	const isFinal = status < 500 && status !== 408 && !isLimited;
	throw new NotSent(`${where} answers ${status}: ${text}`, { isFinal, status, retryAfterMs: retryAfterOf(response.headers, isLimited) });
}

/** Fetches, and follows redirects to other addresses of the same origin: credentials go to no other server. */
async function fetchWithinOrigin(url: string, request: RequestInit): Promise<Response> {
	let at = url;
	for (let redirects = 0; ; redirects += 1) {
		const response = await fetch(at, request);
		const location = response.headers.get("Location") ?? "";
		const isFollowed = REDIRECTS.has(response.status) && redirects < MAX_REDIRECTS && URL.canParse(location, at);
		const next = isFollowed ? new URL(location, at) : null;
		if (next?.origin !== new URL(url).origin) return response;
		await response.body?.cancel();
		at = next.href;
	}
}

/** Of where one is led to, no more than the server: the rest of an address may be secret. */
function originOf(location: string | null, base: string): string {
	return location !== null && URL.canParse(location, base) ? new URL(location, base).origin : "nowhere";
}

/** GitHub says so with 403, and not always in the same way. @see https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api */
function saysTooMuch(headers: Headers, text: string): boolean {
	return headers.get("X-RateLimit-Remaining") === "0" || headers.has("Retry-After") || /rate limit/i.test(text);
}
