import { NOT_ASKED } from "../../schema/wire/outbound.ts";
import { retryAfterOf } from "./retry_after.ts";

/**
 * Sends requests to other servers. On the local host every request passes through the host, which
 * allows addresses by its list after resolving them (cli/outbound.ts). On Cloudflare the platform
 * reaches public addresses only. Redirects to other servers are not followed.
 */

export interface Outgoing {
	url: string;
	method: "GET" | "POST" | "DELETE";
	headers: Record<string, string>;
	body?: string;
	/** Secrets of the request, which are masked in error texts. */
	hidden: readonly string[];
	/**
	 * Whether redirects within the origin are followed: a forge redirects the API of a renamed
	 * repository.
	 */
	followsWithinOrigin?: boolean;
}

const TIMEOUT_MS = 15_000;
const MAX_ERROR_CHARACTERS = 300;
const MAX_ANSWER_CHARACTERS = 64 * 1024;
const MAX_REDIRECTS = 3;
/** With these statuses a server wants the same request elsewhere; with 303 another one. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 307, 308]);

/** A request that failed. */
export class NotSent extends Error {
	override name = "NotSent";
	/** Whether a retry cannot succeed. */
	readonly isFinal: boolean;
	/** The pause that the server asks for, in milliseconds; null without one. */
	readonly retryAfterMs: number | null;
	readonly status: number | null;

	constructor(message: string, { isFinal = false, retryAfterMs = null as number | null, status = null as number | null } = {}) {
		super(message);
		this.isFinal = isFinal;
		this.retryAfterMs = retryAfterMs;
		this.status = status;
	}
}

/**
 * @returns the beginning of the answer
 * @throws NotSent for anything but a status from 200 to 299
 */
export async function send({ url, hidden, followsWithinOrigin = false, ...init }: Outgoing): Promise<string> {
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
	const answer = await beginningOf(response);
	const text = shown(answer).slice(0, MAX_ERROR_CHARACTERS);
	const { status } = response;
	const notAsked = response.headers.get(NOT_ASKED);
	if (notAsked !== null) throw new NotSent(text, { isFinal: notAsked === "refused" });
	if (status >= 200 && status < 300) return answer;
	if (status >= 300 && status < 400) {
		throw new NotSent(
			`${where} redirects to ${originOf(response.headers.get("Location"), url)}, which is not followed. Set the address to that server`,
			{
				isFinal: true,
				status,
			},
		);
	}
	const isLimited = status === 429 || (status === 403 && saysTooMuch(response.headers, text));
	const isFinal = status < 500 && status !== 408 && !isLimited;
	throw new NotSent(`${where} answers ${status}: ${text}`, { isFinal, status, retryAfterMs: retryAfterOf(response.headers, isLimited) });
}

/** The beginning of a body, which another server may make as long as it likes; empty where it breaks off. */
async function beginningOf({ body }: Response): Promise<string> {
	if (!body) return "";
	let text = "";
	try {
		for await (const part of body.pipeThrough(new TextDecoderStream())) {
			text += part;
			if (text.length >= MAX_ANSWER_CHARACTERS) break;
		}
	} catch {
		return "";
	}
	return text;
}

/** Fetches and follows redirects within the origin; credentials go to no other server. */
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

/** Only the origin of a redirect: the rest of the address may be secret. */
function originOf(location: string | null, base: string): string {
	return location !== null && URL.canParse(location, base) ? new URL(location, base).origin : "nowhere";
}

/**
 * Whether a 403 means a rate limit: GitHub signals it in several ways.
 * @see https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
 */
function saysTooMuch(headers: Headers, text: string): boolean {
	return headers.get("X-RateLimit-Remaining") === "0" || headers.has("Retry-After") || /rate limit/i.test(text);
}
