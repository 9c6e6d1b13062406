/** The forms to sign in: with a name and a password, or with a token. @param to the page that follows */
export function SignInForm({ to = "/" }: { to?: string }) {
	return (
		<>
			<form method="post" action="/sign-in" class="sign-in">
				<input type="hidden" name="to" value={to} />
				<label>
					Name <input name="name" required autoComplete="username" autoCapitalize="none" />
				</label>
				<label>
					Password <input type="password" name="password" required autoComplete="current-password" />
				</label>
				<button type="submit" class="main">
					Sign in
				</button>
			</form>
			<p>Or open the sign-in link that the coordinator printed when it started, or paste a token.</p>
			<form method="post" action="/sign-in" class="sign-in">
				<input type="hidden" name="to" value={to} />
				<label>
					Token <input type="password" name="token" required autoComplete="off" />
				</label>
				<button type="submit">Use the token</button>
			</form>
		</>
	);
}
