import { ApiError } from "../../schema/wire/errors.ts";

/**
 * Browsers send cookies with requests of any page. A form counts only if the browser names the
 * scheme, host and port of this coordinator as its origin.
 * @param own the allowed origins
 * @throws ApiError `forbidden`
 */
export function assertOwnOrigin(request: Request, own: readonly string[]): void {
	const origin = request.headers.get("Origin");
	if (origin !== null && own.includes(origin)) return;
	const what = origin === null ? "The request has no Origin header." : `The request comes from a page of ${origin.slice(0, 200)}.`;
	const proxy =
		origin === null || origin === "null"
			? "Behind a proxy, start the coordinator with --public-url and the address of the proxy."
			: `Behind a proxy at that address, start the coordinator with --public-url ${origin.slice(0, 200)} and the path, if it has one.`;
	throw new ApiError("forbidden", `${what} With a session, only the status page may make changes.`, {
		details: { origin, own },
		suggestions: [
			"In a script, use a token instead of a session. The windlass commands read it from WINDLASS_API_TOKEN.",
			proxy,
			"For a TLS proxy that keeps the Host header, --trusted-proxies with its address is enough.",
		],
	});
}
