import { ApiError } from "../../schema/wire/errors.ts";

/**
 * A browser sends cookies along with whatever page has asked it to. So a form counts only if it was sent by a page of our own:
 * the scheme, host and port that the browser names must be those of this coordinator.
 * @param own every origin by which the coordinator may be called
 * @throws ApiError `forbidden`
 */
export function assertOwnOrigin(request: Request, own: readonly string[]): void {
	const origin = request.headers.get("Origin");
	if (origin !== null && own.includes(origin)) return;
	const what =
		origin === null ? "The browser does not say which page has sent this." : `This was sent by a page of ${origin.slice(0, 200)}.`;
	const proxy =
		origin === null || origin === "null"
			? "Behind a proxy, start the coordinator with --public-url and the address of the proxy."
			: `If that is a proxy in front of this coordinator, start the coordinator with --public-url ${origin.slice(0, 200)} and the path, if it has one.`;
	throw new ApiError("forbidden", `${what} Only the status page itself may change things for a person who is signed in.`, {
		details: { origin, own },
		suggestions: [
			"A script uses a token, not a session. The windlass commands read it from WINDLASS_API_TOKEN.",
			proxy,
			"A TLS proxy that keeps the Host header may be named in --trusted-proxies instead.",
		],
	});
}
