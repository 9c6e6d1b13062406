import { ApiError } from "../../../schema/wire/errors.ts";
import { DEFAULT_TEAM } from "../../../schema/wire/teams.ts";
import { readText } from "../../http/bodies.ts";
import type { RequestContext } from "../../http/route.ts";
import { sha256 } from "../../identity/digest.ts";
import { assertOwnOrigin } from "../../identity/origin.ts";
import { endedSessionCookie, openSession } from "../../identity/session.ts";
import { endSession } from "../../identity/sessions_store.ts";
import { rememberedTeam } from "../../identity/sign_in_team.ts";
import { redeemSignInLink, type Token } from "../../identity/tokens_store.ts";
import { findShownToken } from "../../identity/wrong_credentials.ts";
import { signInByPassword } from "../../people/service.ts";
import { recordAudit } from "../../platform/audit_log.ts";
import { log } from "../../platform/logger.ts";
import { page } from "../../ui/layout.tsx";
import { SignInForm } from "../../ui/sign_in_form.tsx";
import { signInOffer } from "../sign_in_offer.ts";

type Visitor = RequestContext<"anyone" | "user">;

const MAX_FORM_BYTES = 4096;
const CODE = /^[A-Za-z0-9_-]{1,100}$/;

/**
 * GET /sign-in?code=…: the one-time link that the host prints. It shows a button and changes
 * nothing, because link scanners and chat previews open links.
 */
export async function signInPage(context: Visitor): Promise<Response> {
	const { url, environment } = context;
	const offer = await signInOffer(environment.DB, { ...context, isSecure: isSecure(context) });
	const code = url.searchParams.get("code") ?? "";
	return page(context, {
		title: "Sign in",
		children: (
			<section class="narrow">
				<h1>Sign in</h1>
				{CODE.test(code) ? <SignInByLink code={code} /> : <SignInForm offer={offer} to={ownPath(url.searchParams.get("to"))} />}
			</section>
		),
	});
}

function SignInByLink({ code }: { code: string }) {
	return (
		<>
			<p>This link signs you in to the status page once.</p>
			<form method="post" action="/sign-in" class="sign-in">
				<input type="hidden" name="code" value={code} />
				<button type="submit">Sign in</button>
			</form>
		</>
	);
}

/** POST /sign-in: the code of a link, a token, or a name and a password. */
export async function signIn(context: Visitor): Promise<Response> {
	const { request, environment, client, ownOrigins } = context;
	assertOwnOrigin(request, ownOrigins);
	const form = new URLSearchParams(await readText(request, MAX_FORM_BYTES));
	const [code, name] = [form.get("code"), form.get("name")];
	const to = ownPath(form.get("to"));
	if (code !== null) {
		const token = await byLink(context, code);
		return token === null ? backTo(to, null) : openFor(context, token, to, { by: "link" });
	}
	if (name !== null) {
		const person = await signInByPassword(environment, client, {
			team: (form.get("team") ?? "").trim() || DEFAULT_TEAM,
			...{ name: name.trim(), password: form.get("password") ?? "" },
		});
		return openFor(context, person, to, { by: "password" });
	}
	return openFor(context, await byToken(context, (form.get("token") ?? "").trim()), to, { by: "token" });
}

/** How a person has shown who they are. */
interface Shown {
	/** Null: by an invitation, which has an entry of its own. */
	by: string | null;
	/** What was asked; default: the form. */
	what?: string;
	lifetimeMs?: number;
}

/** Opens a session, and goes on. */
export async function openFor(
	context: Visitor,
	token: Token,
	to: string,
	{ by, what = "POST /sign-in", lifetimeMs }: Shown,
): Promise<Response> {
	const { request, environment, client, requestId } = context;
	const userAgent = request.headers.get("User-Agent") ?? "";
	const session = { team: token.team, tokenId: token.id, userAgent, address: client.address, lifetimeMs };
	if (by !== null) {
		await recordAudit(environment, token.team, {
			...{ event: "sign_in", actor: token.name, via: token.id, what, details: { by } },
			...{ outcome: "done", address: client.address, request_id: requestId },
		});
	}
	log("info", "signed in", { request_id: requestId, token: token.id, address: client.address });
	const response = backTo(to, await openSession(environment.DB, session, isSecure(context)));
	const remembered = rememberedTeam(request, token.team, isSecure(context));
	if (remembered !== null) response.headers.append("Set-Cookie", remembered);
	return response;
}

async function byToken({ environment, client, requestId }: Visitor, text: string): Promise<Token> {
	const token = await findShownToken(environment.DB, client, text);
	if (token && token.projects === null && token.kind !== "personal") return token;
	if (token) {
		await recordAudit(environment, token.team, {
			...{ event: "sign_in", actor: token.name, via: token.id, what: "POST /sign-in", details: { by: "token" } },
			...{ outcome: "refused", address: client.address, request_id: requestId },
		});
		const why =
			token.kind === "personal"
				? "is for commands: a session would outlive it"
				: "opens some projects only, and the pages show all of them";
		throw new ApiError("forbidden", `The token of ${token.name} ${why}.`, {
			suggestions: ["Use it with the windlass commands or the API. Sign in here with your name and password, or another token."],
		});
	}
	throw new ApiError("authentication_required", "The token is not valid.", { suggestions: ["Copy the whole token."] });
}

/** The token of a link; null for a signed-in visitor with a used link. */
async function byLink({ environment, principal }: Visitor, code: string): Promise<Token | null> {
	const token = await redeemSignInLink(environment.DB, await sha256(code));
	if (token || principal.kind === "user") return token;
	throw new ApiError("authentication_required", "The sign-in link was used or has expired.", {
		suggestions: ["Restart the coordinator: each start prints a new link."],
	});
}

/** POST /sign-out: ends the session, so that copies of its cookie become invalid. */
export async function signOut(context: RequestContext<"user">): Promise<Response> {
	const { environment, principal, requestId } = context;
	if (principal.sessionId !== null) {
		await endSession(environment.DB, principal.team, principal.sessionId, principal.tokenId);
		log("info", "signed out", { request_id: requestId, session: principal.sessionId });
	}
	return backTo("/", endedSessionCookie(isSecure(context)));
}

/** Whether the browser uses HTTPS. */
export function isSecure({ baseUrl }: Pick<Visitor, "baseUrl">): boolean {
	return baseUrl.startsWith("https:");
}

/** A path of this coordinator. Another address would lead a person who has just signed in elsewhere. */
export function ownPath(given: string | null): string {
	// A URL parser drops blanks and tabs, and takes a backslash for a slash.
	if (given === null || !given.startsWith("/") || /[\s\\\p{Cc}]/u.test(given)) return "/";
	const base = "http://own.invalid";
	const url = URL.parse(given, base);
	return url?.origin === base && !url.pathname.startsWith("/sign-") && !url.pathname.startsWith("//") ? url.pathname + url.search : "/";
}

function backTo(path: string, cookie: string | null): Response {
	return new Response(null, { status: 303, headers: { Location: path, ...(cookie ? { "Set-Cookie": cookie } : {}) } });
}
