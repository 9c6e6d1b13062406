import { ApiError } from "../../schema/wire/errors.ts";
import { DEFAULT_RATE_LIMITS, parseRateLimits, type RateClass, type RateLimit, type RateLimits } from "../../schema/wire/rate_limits.ts";
import type { Environment } from "../bindings.ts";
import type { Route } from "../http/route.ts";
import type { Client } from "../identity/client_address.ts";
import type { Principal } from "../identity/principal.ts";
import { type Taken, takeToken } from "./token_bucket.ts";

/** Limits the requests of each caller. */

/** What a request has left of its limit. */
export interface Counted {
	/** For every answer: draft-ietf-httpapi-ratelimit-headers-10. */
	headers: Record<string, string>;
	/** Null: the request is allowed. */
	error: ApiError | null;
}

/** Counts a request. @returns null for one that is not limited */
export function countRequest(
	{ RATE_LIMITS }: Environment,
	route: Route,
	principal: Principal,
	client: Client,
	now: number,
): Counted | null {
	const name = classOf(route, principal);
	const limit = name && limitsFrom(RATE_LIMITS ?? "")[name];
	if (name === null || !limit) return null;
	const isKnown = principal.kind === "user" && (name === "read" || name === "write");
	const caller = isKnown ? principal.tokenId : client.address;
	const taken = takeToken(`${name} ${caller}`, limit, now);
	const headers = headersOf(name, limit, taken);
	return { headers, error: taken.isAllowed ? null : tooMany(isKnown ? principal.name : client.address, name, limit, taken, headers) };
}

/** What a route counts as: what it declares, or else by who calls it. */
function classOf({ limit, method }: Route, { kind }: Principal): RateClass | null {
	if (limit !== undefined) return limit === "none" ? null : limit;
	if (kind === "user") return method === "GET" ? "read" : "write";
	return kind === "anyone" ? "anonymous" : null;
}

function headersOf(name: RateClass, { quota, windowMs }: RateLimit, { left, fullIn }: Taken): Record<string, string> {
	return { "RateLimit-Policy": `"${name}";q=${quota};w=${windowMs / 1_000}`, RateLimit: `"${name}";r=${left};t=${fullIn}` };
}

function tooMany(
	caller: string,
	name: RateClass,
	{ quota, windowMs }: RateLimit,
	{ nextIn }: Taken,
	headers: Record<string, string>,
): ApiError {
	const retryAfter = Math.max(1, nextIn);
	return new ApiError("rate_limited", `${caller} has sent more than ${quota} requests of the class ${name} in ${windowMs / 1_000} s.`, {
		details: { class: name, quota, window: windowMs / 1_000, retry_after: retryAfter },
		suggestions: [
			`Wait ${retryAfter} s, and then send fewer: events and long polls tell of changes without asking again and again.`,
			"An operator changes the limit with --rate-limits of windlass serve.",
		],
		headers: { ...headers, "Retry-After": String(retryAfter) },
	});
}

/** The read setting; it does not change while the Worker runs. */
let read: { text: string; limits: RateLimits } = { text: "", limits: DEFAULT_RATE_LIMITS };

function limitsFrom(text: string): RateLimits {
	if (read.text === text) return read.limits;
	const parsed = parseRateLimits(text);
	if ("error" in parsed) throw new Error(`RATE_LIMITS: ${parsed.error}`);
	read = { text, limits: parsed.limits };
	return read.limits;
}
