import { ApiError } from "../../schema/wire/errors.ts";
import { readText } from "../api/bodies.ts";
import type { AnonymousContext, RequestContext } from "../api/context.ts";
import { sha256 } from "../auth/digest.ts";
import { endedSessionCookie, sessionCookie } from "../auth/session.ts";
import { findToken, redeemSignInLink } from "../catalog/tokens.ts";

const MAX_FORM_BYTES = 4096;

/** GET /sign-in?code=…: the one-time link that the host prints. */
export async function signInByLink(context: RequestContext<"anyone" | "user">): Promise<Response> {
	const code = context.url.searchParams.get("code");
	const tokenId = code && (await redeemSignInLink(context.environment.DB, await sha256(code)));
	if (!tokenId && context.principal.kind === "user") return signedIn(null);
	if (!tokenId) {
		throw new ApiError("authentication_required", "This sign-in link was used or has expired.", {
			suggestions: ["Each start of the coordinator prints a new one."],
		});
	}
	return signedIn(await sessionCookie(context.environment, tokenId, isSecure(context)));
}

/** POST /sign-in: the form, with a token. */
export async function signInByToken(context: RequestContext<"anyone" | "user">): Promise<Response> {
	const form = new URLSearchParams(await readText(context.request, MAX_FORM_BYTES));
	const token = await findToken(context.environment.DB, await sha256((form.get("token") ?? "").trim()));
	if (!token)
		throw new ApiError("authentication_required", "This token is not valid.", { suggestions: ["Check that the whole token was copied."] });
	return signedIn(await sessionCookie(context.environment, token.id, isSecure(context)));
}

export function signOut(context: RequestContext<"user">): Response {
	return signedIn(endedSessionCookie(isSecure(context)));
}

function isSecure({ baseUrl }: AnonymousContext): boolean {
	return baseUrl.startsWith("https:");
}

function signedIn(cookie: string | null): Response {
	return new Response(null, { status: 303, headers: { Location: "/", ...(cookie ? { "Set-Cookie": cookie } : {}) } });
}
