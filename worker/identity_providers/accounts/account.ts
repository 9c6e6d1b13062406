/** An account at a provider, as far as a sign-in depends on it. */
export interface Account {
	/** Its id, which the provider gives to nobody else. */
	subject: string;
	/** What its person is called there; it may change, and others may take it. */
	username: string;
	/** The domains of its verified mail addresses, in lower case. */
	domains: readonly string[];
	organizations: readonly string[];
	groups: readonly string[];
}

/** The domain of a mail address: what follows its last `@`. */
export function domainOf(address: string): string {
	return address.slice(address.lastIndexOf("@") + 1).toLowerCase();
}
