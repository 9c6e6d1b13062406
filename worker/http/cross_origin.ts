/**
 * Pages of other origins that may call the API, with a token: Cross-Origin Resource Sharing of the
 * Fetch standard. Cookies of this coordinator are never sent along, so no page acts as its reader.
 */

/** How long browsers remember what is allowed, in seconds. */
const REMEMBERED_S = 600;
const EXPOSED = "Content-Disposition, Content-Range, ETag, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id";
const ACCEPTED =
	"Accept, Authorization, Content-Encoding, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Range, Windlass-Team";

/** Only the API is for other origins. */
function allowedOrigin(request: Request, pathname: string, allowed: string): string | null {
	const origin = request.headers.get("Origin");
	const isForApi = pathname.startsWith("/api/v1/") || pathname === "/openapi.json";
	return origin !== null && isForApi && allowed.split(",").includes(origin) ? origin : null;
}

/**
 * The answer to the question of a browser whether it may send a request.
 * @param allowed origins, separated by commas
 * @returns null for another request, or a page that may not
 */
export function preflightAnswer(request: Request, pathname: string, allowed: string, methods: readonly string[]): Response | null {
	const asks = request.method === "OPTIONS" && request.headers.has("Access-Control-Request-Method");
	const origin = asks ? allowedOrigin(request, pathname, allowed) : null;
	if (origin === null || methods.length === 0) return null;
	const headers = {
		"Access-Control-Allow-Methods": methods.join(", "),
		"Access-Control-Allow-Headers": ACCEPTED,
		"Access-Control-Max-Age": String(REMEMBERED_S),
	};
	return new Response(null, { status: 204, headers });
}

/** Lets the page read an answer, if it may. */
export function openToOrigin(response: Response, request: Request, pathname: string, allowed: string): void {
	if (allowed === "") return;
	response.headers.append("Vary", "Origin");
	const origin = allowedOrigin(request, pathname, allowed);
	if (origin === null) return;
	response.headers.set("Access-Control-Allow-Origin", origin);
	response.headers.set("Access-Control-Expose-Headers", EXPOSED);
}
