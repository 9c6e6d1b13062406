import * as oauth from "oauth4webapi";
import { ApiError } from "../../schema/wire/errors.ts";
import { DEFAULT_TEAM } from "../../schema/wire/teams.ts";
import type { Environment } from "../bindings.ts";
import { log } from "../platform/logger.ts";
import { readSecrets } from "../secrets/service.ts";
import type { Account } from "./accounts/account.ts";
import { forgeAccount } from "./accounts/forge_account.ts";
import { openIdAccount } from "./accounts/openid_account.ts";
import { authorizationServer, requestOptions } from "./authorization_server.ts";
import type { PendingSignIn } from "./pending_sign_in.ts";
import type { ProviderRow } from "./store.ts";

/** The authorization code flow with PKCE (RFC 6749, 4.1; RFC 7636), for OpenID Connect with a nonce. */

/** The place of client secrets among the secrets: no project has this name, so no job gets them. */
export const CLIENT_SECRETS = "@identity-providers";

/** The address that the provider sends the browser back to. */
export function redirectUri(baseUrl: string, provider: Pick<ProviderRow, "team" | "name">): string {
	return baseUrl + callbackPath(provider);
}

/** Each provider of each team has its own, so that none gets the codes of another (RFC 9700, 4.4). */
export function callbackPath({ team, name }: Pick<ProviderRow, "team" | "name">): string {
	return `/sign-in/with/${team === DEFAULT_TEAM ? "" : `${team}/`}${name}/callback`;
}

/** @returns where the browser goes, and what must come back with it */
export async function begin(
	provider: ProviderRow,
	baseUrl: string,
	{ to, invitation }: Pick<PendingSignIn, "to" | "invitation">,
): Promise<{ location: string; pending: PendingSignIn }> {
	const server = await authorizationServer(provider);
	const [state, nonce, verifier] = [oauth.generateRandomState(), oauth.generateRandomNonce(), oauth.generateRandomCodeVerifier()];
	const location = new URL(server.authorization_endpoint ?? "");
	const parameters = {
		...{ response_type: "code", client_id: provider.client_id, redirect_uri: redirectUri(baseUrl, provider) },
		...{ scope: provider.scopes.join(" "), state },
		...{ code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256" },
		...(isOpenId(provider) ? { nonce } : {}),
	};
	for (const [name, value] of Object.entries(parameters)) location.searchParams.set(name, value);
	return { location: location.href, pending: { team: provider.team, provider: provider.name, state, nonce, verifier, to, invitation } };
}

/**
 * The account of an answer of the provider.
 * @throws ApiError `authentication_required` for an answer that is not valid, or a person who said no;
 * `unavailable` if the provider cannot be asked
 */
export async function complete(
	environment: Environment,
	provider: ProviderRow,
	baseUrl: string,
	{ url, pending }: { url: URL; pending: PendingSignIn },
): Promise<Account> {
	const server = await authorizationServer(provider);
	const client: oauth.Client = { client_id: provider.client_id };
	try {
		const answer = oauth.validateAuthResponse(server, client, url, pending.state);
		const secret = await clientSecret(environment, provider);
		const authentication = takesPost(provider, server) ? oauth.ClientSecretPost(secret) : oauth.ClientSecretBasic(secret);
		const options = requestOptions(provider);
		const redirect = redirectUri(baseUrl, provider);
		const response = await oauth.authorizationCodeGrantRequest(server, client, authentication, answer, redirect, pending.verifier, options);
		if (!isOpenId(provider)) {
			const tokens = await oauth.processAuthorizationCodeResponse(server, client, response);
			return await forgeAccount(provider, tokens.access_token);
		}
		const expected = { expectedNonce: pending.nonce, requireIdToken: true };
		const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, expected);
		// Over plain HTTP the connection proves nothing: the signature does.
		await oauth.validateApplicationLevelSignature(server, response, options);
		return await openIdAccount(provider, server, client, tokens);
	} catch (error) {
		if (error instanceof ApiError) throw error;
		throw notValid(provider, error as Error);
	}
}

/** The kinds whose answer has an ID token. */
function isOpenId({ kind }: ProviderRow): boolean {
	return kind === "oidc" || kind === "gitlab";
}

/**
 * In the body wherever it is taken: many providers do not decode the escapes that RFC 6749 (2.3.1) wants
 * in the header. `client_secret_basic` is what one takes that names nothing (OpenID Connect Discovery 1.0, 3).
 */
function takesPost(provider: ProviderRow, { token_endpoint_auth_methods_supported: methods }: oauth.AuthorizationServer): boolean {
	return !isOpenId(provider) || (methods?.includes("client_secret_post") ?? false);
}

async function clientSecret(environment: Environment, { team, name }: ProviderRow): Promise<string> {
	return (await readSecrets(environment, team, CLIENT_SECRETS, [name])).get(name) ?? "";
}

function notValid({ name, label }: ProviderRow, error: Error): ApiError {
	const said = error instanceof oauth.AuthorizationResponseError || error instanceof oauth.ResponseBodyError ? error.error : null;
	log("warn", "a sign-in with an identity provider failed", {
		provider: name,
		error: said ?? error.message,
		code: (error as { code?: string }).code,
	});
	if (said === "access_denied") {
		return new ApiError("authentication_required", `The sign-in with ${label} was canceled there.`, { suggestions: ["Try again."] });
	}
	const why = said === null ? "its answer is not valid" : `it answers ${said}`;
	return new ApiError("authentication_required", `The sign-in with ${label} failed: ${why}.`, {
		suggestions: ["Try again. If it stays so, an admin finds the reason in the coordinator's log."],
	});
}
