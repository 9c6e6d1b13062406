import { ApiError } from "../../schema/wire/errors.ts";
import { NOT_ASKED } from "../../schema/wire/outbound.ts";

/** Requests to identity providers. The library that makes them gets its `fetch` from here. */

const TIMEOUT_MS = 10_000;

/** @throws ApiError `unavailable` if the provider cannot be asked */
export async function providerFetch(url: string, init: RequestInit): Promise<Response> {
	const { host } = new URL(url);
	let response: Response;
	try {
		response = await fetch(url, { ...init, redirect: "manual", signal: AbortSignal.timeout(TIMEOUT_MS) });
	} catch (error) {
		throw notReached(host, (error as Error).message, []);
	}
	const notAsked = response.headers.get(NOT_ASKED);
	if (notAsked === null) return response;
	const advice = [`Start the coordinator with --allow-outbound and the address of ${host}: a server of the LAN is reached only so.`];
	throw notReached(host, await response.text(), notAsked === "refused" ? advice : []);
}

function notReached(host: string, why: string, suggestions: string[]): ApiError {
	return new ApiError("unavailable", `The identity provider ${host} does not answer: ${why.slice(0, 300)}`, {
		suggestions: [
			...suggestions,
			"Sign in another way meanwhile: with a password, a token, or the link that the coordinator prints at its start.",
		],
	});
}
