import * as z from "zod";
import { ROLES, type Role } from "./permissions.ts";
import { webAddress } from "./web_address.ts";

/** Identity providers: servers at which people have accounts, and sign in here with them. */

/** `gitlab` is OpenID Connect, too; GitHub and Gitea have OAuth 2.0 and an API of their own. */
export const PROVIDER_KINDS = ["oidc", "github", "gitea", "gitlab"] as const;
export type ProviderKind = (typeof PROVIDER_KINDS)[number];

/** Where the kinds that have one place are, if nothing else is said. */
export const PROVIDER_URLS: Partial<Record<ProviderKind, string>> = { github: "https://github.com", gitlab: "https://gitlab.com" };

/** The kinds whose people are in organizations. The others have groups only. */
const WITH_ORGANIZATIONS: ReadonlySet<ProviderKind> = new Set(["github", "gitea"]);
const MOST_RULES = 100;
const MOST_CHARACTERS = 200;
const GRANTS = ["domain", "organization", "group"] as const;

const text = z.string().min(1, "is empty").max(MOST_CHARACTERS, `has more than ${MOST_CHARACTERS} characters`);
const DOMAIN = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/;

/** Who may sign up, and with which role: a domain of verified mail addresses, an organization, or a group. */
const signUpRule = z
	.strictObject({
		domain: z.string().toLowerCase().regex(DOMAIN, "is no domain, such as example.org").optional(),
		organization: text.optional(),
		group: text.optional(),
		role: z.enum(ROLES),
	})
	.refine((rule) => GRANTS.filter((name) => rule[name] !== undefined).length === 1, "needs one of domain, organization and group");
export type SignUpRule = z.infer<typeof signUpRule>;

const RULE = /^(domain|organization|group):(.+)=([a-z]+)$/s;

/** A rule as people write it: `group:ci-admins=admin`. Undefined for a text of another form. */
export function parseSignUpRule(text: string): SignUpRule | undefined {
	const [, kind, what = "", role] = RULE.exec(text.trim()) ?? [];
	return kind === undefined ? undefined : ({ [kind]: what, role: role as Role } as SignUpRule);
}

export function signUpRuleText({ domain, organization, group, role }: SignUpRule): string {
	const what = domain !== undefined ? `domain:${domain}` : organization !== undefined ? `organization:${organization}` : `group:${group}`;
	return `${what}=${role}`;
}

/** The name of a provider: part of its addresses, which the provider must know. */
export const providerName = z
	.string()
	.regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/, "is lower-case letters, digits and dashes, at most 32");

/** PUT /identity-providers/:name */
export const identityProviderRequest = z
	.strictObject({
		kind: z.enum(PROVIDER_KINDS),
		/** The issuer of `oidc`, else the address of the forge. */
		url: webAddress.optional(),
		/** What the button says. */
		label: text.optional(),
		client_id: text,
		/** Left out, the one that is stored stays. */
		client_secret: z.string().min(1, "is empty").max(1_000, "has more than 1000 characters").optional(),
		/** What the provider is asked for; `openid` among it. For `oidc` and `gitlab`. */
		scopes: z
			.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/, "is no scope"))
			.min(1)
			.max(20)
			.optional(),
		/** The claim that has the groups. For `oidc` and `gitlab`. */
		groups_claim: text.optional(),
		/** Without one, only those who have been invited sign in. */
		sign_up: z.array(signUpRule).max(MOST_RULES).default([]),
	})
	.superRefine((request, context) => {
		const add = (path: (string | number)[], message: string) => context.addIssue({ code: "custom", path, message });
		const { kind, url, scopes, groups_claim } = request;
		if (url === undefined && PROVIDER_URLS[kind] === undefined) add(["url"], `is missing: ${kind} may be anywhere`);
		const isOAuth = kind === "github" || kind === "gitea";
		if (isOAuth && scopes) add(["scopes"], `is for oidc and gitlab: those of ${kind} are known`);
		if (isOAuth && groups_claim) add(["groups_claim"], `is for oidc and gitlab: ${kind} has no claims`);
		if (scopes && !scopes.includes("openid")) add(["scopes"], "needs openid among them");
		request.sign_up.forEach(({ organization, domain }, at) => {
			// It says that an address is verified when nobody has looked, unless it sends mail.
			if (domain !== undefined && kind === "gitea")
				add(["sign_up", at, "domain"], "Gitea does not verify addresses by itself: write organization or group");
			if (organization !== undefined && !WITH_ORGANIZATIONS.has(kind))
				add(["sign_up", at, "organization"], `${kind} has no organizations: write group`);
		});
	});
export type IdentityProviderRequest = z.infer<typeof identityProviderRequest>;

export const identityProvider = z.object({
	name: z.string(),
	kind: z.enum(PROVIDER_KINDS),
	url: z.string(),
	label: z.string(),
	client_id: z.string(),
	scopes: z.array(z.string()),
	groups_claim: z.string(),
	sign_up: z.array(signUpRule),
	/** The address that the provider must know as the redirect URI, to the byte. */
	redirect_uri: z.string(),
	created_by: z.string(),
	created_at: z.string(),
	updated_at: z.string(),
});
export type IdentityProvider = z.infer<typeof identityProvider>;
