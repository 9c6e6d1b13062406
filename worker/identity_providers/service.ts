import { ApiError, notFound } from "../../schema/wire/errors.ts";
import {
	type IdentityProvider,
	type IdentityProviderRequest,
	PROVIDER_URLS,
	type ProviderKind,
	providerName,
	signUpRuleText,
} from "../../schema/wire/identity_providers.ts";
import { isAtLeast } from "../../schema/wire/permissions.ts";
import type { RequestContext } from "../http/route.ts";
import { givenRole } from "../identity/acting_team.ts";
import { timedCache } from "../platform/timed_cache.ts";
import { deleteSecret, putSecret } from "../secrets/service.ts";
import type { Provider } from "../ui/sign_in_form.tsx";
import { assertReached } from "./authorization_server.ts";
import { CLIENT_SECRETS, redirectUri } from "./sign_in.ts";
import * as store from "./store.ts";

/** Names the identity providers of a team. */

type Caller = RequestContext<"user">;

const LABELS: Record<ProviderKind, string> = { oidc: "single sign-on", github: "GitHub", gitea: "Gitea", gitlab: "GitLab" };
/** GitHub and Gitea: who they are, their addresses, and in what they are. */
const SCOPES: Record<ProviderKind, string[]> = {
	oidc: ["openid", "profile", "email"],
	github: ["read:user", "user:email", "read:org"],
	gitea: ["read:user", "read:organization"],
	gitlab: ["openid", "profile", "email"],
};
const MOST_PROVIDERS = 20;

export async function providersFor({
	environment,
	principal,
	baseUrl,
}: Pick<Caller, "environment" | "principal" | "baseUrl">): Promise<IdentityProvider[]> {
	return (await store.listProviders(environment.DB, principal.team)).map((row) => present(row, baseUrl));
}

/**
 * Adds or changes the provider of the path, once it has answered.
 * @throws ApiError `validation_failed`; `conflict` for another place under the same name, whose
 * accounts would be taken for those of the present one; `forbidden` for a role above the caller's;
 * `unavailable` if it does not answer
 */
export async function putProvider(
	context: Caller,
	request: IdentityProviderRequest,
): Promise<{ provider: IdentityProvider; isNew: boolean }> {
	const { environment, principal, params, baseUrl, noted } = context;
	const { DB } = environment;
	const name = params.name ?? "";
	const { kind, client_secret, client_id, sign_up } = request;
	const before = await store.findProvider(DB, principal.team, name);
	const url = request.url ?? PROVIDER_URLS[kind] ?? "";
	if (!providerName.safeParse(name).success) throw invalid("name", providerName.safeParse(name).error?.issues[0]?.message ?? "is no name");
	if (before && (before.kind !== kind || before.url !== url)) {
		throw new ApiError("conflict", `${name} is ${before.kind} at ${before.url}. Its accounts are not those of ${url}.`, {
			suggestions: [`Take another name, or remove it first: windlass identity-providers rm ${name}`],
		});
	}
	if (!before && client_secret === undefined) throw invalid("client_secret", "is missing");
	const own = givenRole(principal);
	const greater = sign_up.find(({ role }) => !isAtLeast(own, role));
	if (greater)
		throw new ApiError("forbidden", `${principal.name} is ${own} here, and does not decide about the role ${greater.role}.`, {
			suggestions: [`Ask a person with the role ${greater.role}.`],
		});
	if (!before && (await store.listProviders(DB, principal.team)).length >= MOST_PROVIDERS) {
		throw new ApiError("conflict", `There are ${MOST_PROVIDERS} identity providers already.`, { suggestions: ["Remove one first."] });
	}
	await assertReached({ kind, url });
	if (client_secret !== undefined) await putSecret(environment, { team: principal.team, project: CLIENT_SECRETS, name }, client_secret);
	const now = Date.now();
	const row = await store.putProvider(DB, {
		...{ team: principal.team, name, kind, url, label: request.label ?? LABELS[kind], client_id, sign_up },
		...{ scopes: request.scopes ?? SCOPES[kind], groups_claim: request.groups_claim ?? "groups" },
		...{ created_by: principal.name, created_at: now, updated_at: now },
	});
	offered.delete(principal.team);
	Object.assign(noted, { name, url, sign_up: sign_up.map(signUpRuleText).join(" ") || "nobody" });
	return { provider: present(row, baseUrl), isNew: before === undefined };
}

/** Removes the provider of the path. @throws ApiError `not_found` */
export async function removeProvider({ environment, principal, params, noted }: Caller): Promise<void> {
	const { name, url } = await requireProvider(environment.DB, principal.team, params.name ?? "");
	await store.removeProvider(environment.DB, principal.team, name);
	await deleteSecret(environment.DB, { team: principal.team, project: CLIENT_SECRETS, name });
	offered.delete(principal.team);
	Object.assign(noted, { name, url });
}

/** @throws ApiError `not_found` */
export async function requireProvider(db: D1Database, team: string, name: string): Promise<store.ProviderRow> {
	const found = await store.findProvider(db, team, name);
	if (!found) throw notFound("identity provider", name);
	return found;
}

/** How long the form may miss a change in another isolate, in milliseconds. */
const TRUST_MS = 5_000;
const offered = timedCache<readonly Provider[]>(100, TRUST_MS);

/** What the sign-in form offers. Anybody may ask for it, so one query serves many. */
export async function offeredProviders(db: D1Database, team: string): Promise<readonly Provider[]> {
	const known = offered.get(team);
	if (known) return known;
	const offers = (await store.listProviders(db, team)).map(({ name, label }) => ({ name, label }));
	offered.set(team, offers);
	return offers;
}

function present(row: store.ProviderRow, baseUrl: string): IdentityProvider {
	const { team: _, created_at, updated_at, ...rest } = row;
	const times = { created_at: new Date(created_at).toISOString(), updated_at: new Date(updated_at).toISOString() };
	return { ...rest, ...times, redirect_uri: redirectUri(baseUrl, row) };
}

function invalid(path: string, message: string): ApiError {
	return new ApiError("validation_failed", `${path} ${message}.`, {
		details: { errors: [{ path, line: null, column: null, message, suggestion: null }] },
		suggestions: ["docs/how-to/sign-in.md shows what a provider needs."],
	});
}
