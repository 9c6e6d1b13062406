import { ApiError } from "../../../schema/wire/errors.ts";
import { DEFAULT_TEAM } from "../../../schema/wire/teams.ts";
import { type AnonymousContext, pageRoute, type RequestContext } from "../../http/route.ts";
import { invitationOf, joinWithAccount, signInByAccount } from "../../people/service.ts";
import { recordAudit } from "../../platform/audit_log.ts";
import { isSecure, openFor, ownPath } from "../../sessions/pages/sign_in.tsx";
import { backTo } from "../../ui/back_to.ts";
import { endedPending, keepPending, pendingIn } from "../pending_sign_in.ts";
import { requireProvider } from "../service.ts";
import { begin, callbackPath, complete } from "../sign_in.ts";
import { roleFor } from "../sign_up.ts";

/** The way of a browser to an identity provider and back. */

type Visitor = RequestContext<"anyone" | "user">;

/** Groups are known at a sign-in only: a day later they are asked for again. */
const SESSION_MS = 24 * 60 * 60_000;

/**
 * GET /sign-in/with/:name: sends the browser to the provider. A link, since the policy of pages sends
 * no form to another server, and it changes nothing but a cookie.
 */
async function leave(context: Visitor): Promise<Response> {
	const { request, environment, params, baseUrl, url } = context;
	const code = url.searchParams.get("invitation");
	// Only the page of the invitation leads here with it: a link elsewhere would have another person join.
	const site = request.headers.get("Sec-Fetch-Site");
	if (code !== null && site !== null && site !== "same-origin") return backTo(`/join?${new URLSearchParams({ code })}`);
	// Who joins a team does it with an account of its own providers.
	const invited = code === null ? null : await invitationOf(context satisfies AnonymousContext, code);
	const team = invited?.team ?? url.searchParams.get("team") ?? DEFAULT_TEAM;
	const provider = await requireProvider(environment.DB, team, params.name ?? "");
	const given = { to: ownPath(url.searchParams.get("to")), invitation: code };
	const { location, pending } = await begin(provider, baseUrl, given);
	const cookie = await keepPending(environment.SIGNING_KEY, pending, isSecure(context));
	return new Response(null, { status: 303, headers: { Location: location, "Set-Cookie": cookie, "Cache-Control": "no-store" } });
}

/** GET /sign-in/with/:name/callback: the provider has sent the browser back. */
async function comeBack(context: Visitor): Promise<Response> {
	const { request, environment, params, baseUrl, url } = context;
	const state = url.searchParams.get("state") ?? "";
	const pending = await pendingIn(request, environment.SIGNING_KEY, state, isSecure(context));
	const provider = await requireProvider(environment.DB, params.team ?? DEFAULT_TEAM, params.name ?? "");
	if (pending?.provider !== provider.name || pending.team !== provider.team) {
		throw new ApiError("authentication_required", "This sign-in has expired, was ended before, or began in another browser.", {
			suggestions: ["Begin again."],
		});
	}
	try {
		const account = await complete(environment, provider, baseUrl, { url, pending });
		const shown = {
			team: provider.team,
			provider: provider.name,
			label: provider.label,
			subject: account.subject,
			username: account.username,
		};
		const person =
			pending.invitation === null
				? await signInByAccount(context satisfies AnonymousContext, shown, roleFor(provider.sign_up, account))
				: await joinWithAccount(context satisfies AnonymousContext, pending.invitation, shown);
		const response = await openFor(context, person, pending.to, {
			by: provider.name,
			what: `GET ${callbackPath(provider)}`,
			lifetimeMs: SESSION_MS,
		});
		response.headers.append("Set-Cookie", endedPending(state, isSecure(context)));
		return response;
	} catch (error) {
		if (!(error instanceof ApiError)) throw error;
		await recordRefusal(context, provider, error);
		error.headers["Set-Cookie"] = endedPending(state, isSecure(context));
		throw error;
	}
}

/** Only a browser that began the sign-in gets here, with an answer of the provider. */
async function recordRefusal(
	{ environment, client, requestId }: Visitor,
	{ team, name }: { team: string; name: string },
	error: ApiError,
): Promise<void> {
	await recordAudit(environment, team, {
		...{ event: "sign_in", actor: "unknown", via: null, what: `GET ${callbackPath({ team, name })}` },
		...{ details: { by: name, why: error.message.slice(0, 300) }, outcome: "refused", address: client.address, request_id: requestId },
	});
}

export const signInWithPages = [
	pageRoute({ method: "GET", path: "/sign-in/with/:name", limit: "sign-in", allow: ["anyone", "user"], handle: leave }),
	pageRoute({ method: "GET", path: "/sign-in/with/:name/callback", limit: "sign-in", allow: ["anyone", "user"], handle: comeBack }),
	pageRoute({ method: "GET", path: "/sign-in/with/:team/:name/callback", limit: "sign-in", allow: ["anyone", "user"], handle: comeBack }),
];
