import * as oauth from "oauth4webapi";
import * as z from "zod";
import { requestOptions } from "../authorization_server.ts";
import type { ProviderRow } from "../store.ts";
import { type Account, domainOf } from "./account.ts";

/** The account of an ID token of OpenID Connect, with what the userinfo endpoint adds to it. */

const claims = z.looseObject({
	preferred_username: z.string().optional().catch(undefined),
	nickname: z.string().optional().catch(undefined),
	email: z.string().optional().catch(undefined),
	/** Some providers send it as a text. */
	email_verified: z
		.union([z.boolean(), z.enum(["true", "false"]).transform((text) => text === "true")])
		.optional()
		.catch(undefined),
});
const groups = z.array(z.string()).catch([]);

/** @throws what the library throws for an answer that is not about this account */
export async function openIdAccount(
	provider: ProviderRow,
	server: oauth.AuthorizationServer,
	client: oauth.Client,
	tokens: oauth.TokenEndpointResponse,
): Promise<Account> {
	const idToken = oauth.getValidatedIdTokenClaims(tokens);
	if (idToken === undefined) throw new Error("the answer has no ID token");
	const more = server.userinfo_endpoint === undefined ? {} : await userInfo(provider, server, client, tokens.access_token, idToken.sub);
	const all = claims.parse({ ...idToken, ...more });
	return {
		subject: idToken.sub,
		username: all.preferred_username ?? all.nickname ?? all.email ?? "",
		domains: all.email_verified && all.email ? [domainOf(all.email)] : [],
		organizations: [],
		groups: groups.parse(all[provider.groups_claim]),
	};
}

async function userInfo(
	provider: ProviderRow,
	server: oauth.AuthorizationServer,
	client: oauth.Client,
	accessToken: string,
	subject: string,
): Promise<oauth.UserInfoResponse> {
	const response = await oauth.userInfoRequest(server, client, accessToken, requestOptions(provider));
	return oauth.processUserInfoResponse(server, client, subject, response);
}
