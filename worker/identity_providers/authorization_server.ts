import * as oauth from "oauth4webapi";
import { ApiError } from "../../schema/wire/errors.ts";
import { timedCache } from "../platform/timed_cache.ts";
import { providerFetch } from "./provider_fetch.ts";
import type { ProviderRow } from "./store.ts";

/** Where a provider has its endpoints, and with which options it is asked. */

/** How long what a provider has said about itself is trusted, in milliseconds. */
const TRUST_MS = 5 * 60_000;
const discovered = timedCache<oauth.AuthorizationServer>(100, TRUST_MS);

type Place = Pick<ProviderRow, "kind" | "url">;

/**
 * The options of requests to a provider. Plain HTTP is allowed where the operator has written it: a
 * server of the LAN may have no certificate.
 */
export function requestOptions({ url }: Place) {
	return {
		[oauth.customFetch]: (address: string, init: object) => providerFetch(address, init as RequestInit),
		[oauth.allowInsecureRequests]: url.startsWith("http:"),
	};
}

/**
 * The endpoints of a provider: of OpenID Connect by discovery (OpenID Connect Discovery 1.0, 4).
 * @throws ApiError `unavailable` if it cannot be asked, or does not answer as one
 */
export async function authorizationServer(provider: Place): Promise<oauth.AuthorizationServer> {
	const { kind, url } = provider;
	const base = url.replace(/\/+$/, "");
	if (kind === "github" || kind === "gitea") {
		const oauthOf = `${base}/login/oauth`;
		// GitHub names this issuer on the way back (RFC 9207).
		return { issuer: oauthOf, authorization_endpoint: `${oauthOf}/authorize`, token_endpoint: `${oauthOf}/access_token` };
	}
	const known = discovered.get(url);
	if (known) return known;
	const issuer = new URL(url);
	try {
		const response = await oauth.discoveryRequest(issuer, requestOptions(provider));
		const server = await oauth.processDiscoveryResponse(issuer, response);
		discovered.set(url, server);
		return server;
	} catch (error) {
		if (error instanceof ApiError) throw error;
		throw new ApiError("unavailable", `${url} is no issuer of OpenID Connect: ${(error as Error).message}`, {
			suggestions: [`Open ${base}/.well-known/openid-configuration, and take the issuer that it names, to the byte.`],
		});
	}
}

/** @throws ApiError `unavailable` if the provider cannot be asked */
export async function assertReached(provider: Place): Promise<void> {
	discovered.delete(provider.url);
	const server = await authorizationServer(provider);
	// An endpoint of a forge has no discovery: any answer shows that it is reached.
	if (server.userinfo_endpoint === undefined) await (await providerFetch(server.token_endpoint ?? provider.url, {})).body?.cancel();
}
