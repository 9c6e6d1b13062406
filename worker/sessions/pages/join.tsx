import { ApiError } from "../../../schema/wire/errors.ts";
import { LEAST_PASSWORD_LENGTH } from "../../../schema/wire/people.ts";
import { readText } from "../../http/bodies.ts";
import type { AnonymousContext, RequestContext } from "../../http/route.ts";
import { assertOwnOrigin } from "../../identity/origin.ts";
import { offeredProviders } from "../../identity_providers/service.ts";
import { invitationOf, join } from "../../people/service.ts";
import { page } from "../../ui/layout.tsx";
import { ProviderLinks } from "../../ui/sign_in_form.tsx";
import { openFor } from "./sign_in.tsx";

/** The page of an invitation: somebody joins with a password, or an account of an identity provider. */

type Visitor = RequestContext<"anyone" | "user">;

const MAX_FORM_BYTES = 4096;

/** GET /join?code=… changes nothing, because link scanners and chat previews open links. */
export async function joinPage(context: Visitor): Promise<Response> {
	return show(context, context.url.searchParams.get("code") ?? "", null);
}

async function show(context: Visitor, code: string, error: ApiError | null): Promise<Response> {
	const invitation = await invitationOf(context, code);
	const providers = invitation === null ? [] : await offeredProviders(context.environment.DB, invitation.team);
	const children = (
		<section class="narrow">
			<h1>{invitation?.person_id ? "Sign in anew" : "Join"}</h1>
			{invitation === null ? (
				<p>The invitation was used, has expired, or does not exist. Ask for a new one.</p>
			) : (
				<>
					<p>
						{`${invitation.created_by} has made this link for you. Your name is `}
						<b>{invitation.name}</b>
						{`, and your role ${invitation.role}.`}
					</p>
					{error && <p class="reason bad">{error.message}</p>}
					<ProviderLinks providers={providers} invitation={code} team={invitation.team} />
					<form method="post" action="/join" class="form">
						<input type="hidden" name="code" value={code} />
						<input type="hidden" name="username" value={invitation.name} autoComplete="username" />
						<label>
							{`Password, of at least ${LEAST_PASSWORD_LENGTH} characters `}
							<input type="password" name="password" required minLength={LEAST_PASSWORD_LENGTH} autoComplete="new-password" />
						</label>
						<label>
							The same again <input type="password" name="again" required autoComplete="new-password" />
						</label>
						<button type="submit" class="main">
							{invitation.person_id ? "Set the password" : "Join"}
						</button>
					</form>
				</>
			)}
		</section>
	);
	return page(context, { title: "Join", children }, error?.status ?? (invitation === null ? 404 : 200));
}

/** POST /join */
export async function submitJoin(context: Visitor): Promise<Response> {
	assertOwnOrigin(context.request, context.ownOrigins);
	const form = new URLSearchParams(await readText(context.request, MAX_FORM_BYTES));
	const code = form.get("code") ?? "";
	const password = form.get("password") ?? "";
	try {
		if (password !== form.get("again")) {
			throw new ApiError("validation_failed", "The two passwords differ.", { suggestions: ["Type the same password twice."] });
		}
		const person = await join(context satisfies AnonymousContext, code, password);
		return openFor(context, person, "/", { by: null });
	} catch (error) {
		if (error instanceof ApiError && error.code === "validation_failed") return show(context, code, error);
		throw error;
	}
}
