import type { IncomingMessage, ServerResponse } from "node:http";
import Provider, { type AccountClaims } from "oidc-provider";
import { listen } from "./http_server.ts";
import type { AtEnd } from "./processes.ts";

/** A real identity provider of OpenID Connect. Each browser is signed in as the person that the test names. */
export class IdentityProvider {
	readonly issuer: string;
	/** Who is signed in when a browser comes; null: it says no. */
	person: string | null = "ada";
	/** The claims of people by their subject. */
	readonly claims = new Map<string, Record<string, unknown>>();

	private constructor(issuer: string) {
		this.issuer = issuer;
	}

	/** @param clients what it knows: the id, the secret and the redirect URI of each */
	static async start(clients: { id: string; secret: string; redirectUri: string }[], atEnd: AtEnd): Promise<IdentityProvider> {
		const { url, answerWith } = await listen(atEnd);
		const one = new IdentityProvider(url);
		const provider = one.#provider(clients);
		const answer = provider.callback();
		answerWith((request, response) => {
			if (request.url?.startsWith("/interaction/")) void one.#decide(provider, request, response);
			else answer(request, response);
		});
		return one;
	}

	#provider(clients: { id: string; secret: string; redirectUri: string }[]): Provider {
		return new Provider(this.issuer, {
			clients: clients.map(({ id, secret, redirectUri }) => ({ client_id: id, client_secret: secret, redirect_uris: [redirectUri] })),
			claims: { openid: ["sub"], profile: ["preferred_username", "groups"], email: ["email", "email_verified"] },
			features: { devInteractions: { enabled: false } },
			interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
			pkce: { required: () => true },
			cookies: { keys: ["of a test"] },
			findAccount: (_, accountId) => ({
				accountId,
				claims: async () => ({ sub: accountId, ...this.claims.get(accountId) }) as AccountClaims,
			}),
			loadExistingGrant: async (context) => {
				const { client, session } = context.oidc;
				const grant = new context.oidc.provider.Grant({ clientId: client?.clientId ?? "", accountId: session?.accountId ?? "" });
				grant.addOIDCScope("openid profile email");
				await grant.save();
				return grant;
			},
		});
	}

	async #decide(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
		const result = this.person === null ? { error: "access_denied" } : { login: { accountId: this.person } };
		await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
	}
}
