/** The form to sign in with a token. @param to the page that follows */
export function SignInByToken({ to = "/" }: { to?: string }) {
	return (
		<>
			<p>Open the sign-in link that the coordinator printed when it started, or paste a token.</p>
			<form method="post" action="/sign-in" class="sign-in">
				<input type="hidden" name="to" value={to} />
				<label>
					Token <input type="password" name="token" required autoComplete="off" />
				</label>
				<button type="submit" class="main">
					Sign in
				</button>
			</form>
		</>
	);
}
