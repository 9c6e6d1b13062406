import type { ApiError } from "../../schema/wire/errors.ts";
import { type PageContext, page } from "./layout.tsx";
import { SignInForm, type SignInOffer } from "./sign_in_form.tsx";

/**
 * An error as a page: what is wrong and what to do. A signed-in reader keeps the navigation; anybody
 * else gets the sign-in form which leads back to this address.
 */
export async function errorPage(
	context: PageContext & { request: Request },
	error: ApiError,
	{ requestId, offer }: { requestId: string; offer: SignInOffer },
): Promise<Response> {
	const isSignIn = error.code === "authentication_required";
	const props = {
		title: isSignIn ? "Sign in" : error.message,
		children: (
			<section class="narrow">
				<h1>{isSignIn ? "Sign in" : error.message}</h1>
				{isSignIn ? <SignIn error={error} to={pathOf(context)} offer={offer} /> : error.suggestions.map((hint) => <p key={hint}>{hint}</p>)}
				{!isSignIn && (
					<p>
						<a href="/">All runs</a> <span class="soft small">Request {requestId}</span>
					</p>
				)}
			</section>
		),
	};
	try {
		return await page(context, props, error.status, error.headers);
	} catch {
		// The queue cannot be read, which may be the error itself: the page has no navigation then.
		return page({ ...context, principal: { kind: "anyone" } }, props, error.status, error.headers);
	}
}

/** The error of a request without any credential, which says nothing new. */
const NO_TOKEN = "This request needs a token.";

function SignIn({ error, to, offer }: { error: ApiError; to: string; offer: SignInOffer }) {
	return (
		<>
			{error.message !== NO_TOKEN && <p class="reason bad">{`${error.message} ${error.suggestions[0] ?? ""}`}</p>}
			<SignInForm to={to} offer={offer} />
		</>
	);
}

/** The address to return to; that of a submitted form cannot be read. */
function pathOf({ request, url }: { request: Request; url: URL }): string {
	const isSignIn = url.pathname.startsWith("/sign-in");
	return request.method === "GET" && !isSignIn ? url.pathname + url.search : "/";
}
