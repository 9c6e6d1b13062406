/** The form to sign in with a token. */
export function SignInByToken() {
	return (
		<>
			<p>Open the sign-in link that the coordinator printed when it started, or paste a token.</p>
			<form method="post" action="/sign-in" class="sign-in">
				<label>
					Token <input type="password" name="token" required autoComplete="off" />
				</label>
				<button type="submit">Sign in</button>
			</form>
		</>
	);
}
