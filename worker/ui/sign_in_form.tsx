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
	/** The team of the providers; null: the only one. */
	team?: string | null;
}

/** A link for each provider. */
export function ProviderLinks({ providers, to, invitation, team = null }: ProviderLinksProps) {
	const query = new URLSearchParams({
		...(to !== undefined && to !== "/" && { to }),
		...(invitation !== undefined && { invitation }),
		...(team !== null && { team }),
	});
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

/** What the forms to sign in begin with. */
export interface SignInOffer {
	providers: readonly Provider[];
	/** The team of the people and the providers; null: there is one only. */
	team: string | null;
}

/** The forms to sign in: with an account, with a name and a password, or with a token. @param to the page that follows */
export function SignInForm({ to = "/", offer: { providers, team } }: { to?: string; offer: SignInOffer }) {
	return (
		<>
			{providers.length > 0 && <ProviderLinks providers={providers} to={to} team={team} />}
			<form method="post" action="/sign-in" class="sign-in">
				<input type="hidden" name="to" value={to} />
				{team !== null && (
					<label>
						Team <input name="team" required value={team} autoComplete="organization" autoCapitalize="none" />
					</label>
				)}
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
