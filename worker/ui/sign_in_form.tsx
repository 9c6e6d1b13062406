/** An identity provider that people sign in with. */
export interface Provider {
	name: string;
	label: string;
}

interface ProviderLinksProps {
	providers: readonly Provider[];
	/** The page that follows. */
	to?: string;
	/** The code of an invitation that is used with the account. */
	invitation?: string;
}

/** A link for each provider. */
export function ProviderLinks({ providers, to, invitation }: ProviderLinksProps) {
	const query = new URLSearchParams({ ...(to !== undefined && to !== "/" && { to }), ...(invitation !== undefined && { invitation }) });
	return (
		<p class="providers">
			{providers.map(({ name, label }) => (
				<a key={name} class="button" href={`/sign-in/with/${name}${query.size > 0 ? `?${query}` : ""}`}>
					{`Continue with ${label}`}
				</a>
			))}
		</p>
	);
}

/** The forms to sign in: with an account, with a name and a password, or with a token. @param to the page that follows */
export function SignInForm({ to = "/", providers }: { to?: string; providers: readonly Provider[] }) {
	return (
		<>
			{providers.length > 0 && <ProviderLinks providers={providers} to={to} />}
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
