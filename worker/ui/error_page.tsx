import type { ApiError } from "../../schema/wire/errors.ts";
import { page } from "./layout.tsx";
import { SignInByToken } from "./sign_in_form.tsx";

/**
 * An error as a page: what is wrong and what to do. Without a session it shows the sign-in form.
 */
export function errorPage(error: ApiError, requestId: string): Response {
	const isSignIn = error.code === "authentication_required";
	return page(
		{
			title: isSignIn ? "Sign in" : error.code,
			user: null,
			children: (
				<section class="narrow">
					<h1>{isSignIn ? "Sign in" : error.message}</h1>
					{isSignIn ? <SignInByToken /> : error.suggestions.map((hint) => <p key={hint}>{hint}</p>)}
					{!isSignIn && <p class="muted small">Request {requestId}</p>}
				</section>
			),
		},
		error.status,
		error.headers,
	);
}
