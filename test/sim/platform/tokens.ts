/** In place of the tokens of people, which are kept in mind for a while by the process: in this world there is one person with a token. */
export async function findToken(): Promise<object> {
	return { id: "tok", team: "default", kind: "admin", name: "somebody", role: "operator", projects: null };
}

export async function isLiveToken(): Promise<boolean> {
	return true;
}

export async function findActor(): Promise<undefined> {}

export async function findTrustedActor(): Promise<null> {
	return null;
}

export async function recordUse(): Promise<void> {}

export async function addToken(): Promise<boolean> {
	return false;
}

export async function revoke(): Promise<void> {}

export function evictTokens(): void {}

export async function revokeProjectTokens(): Promise<void> {}
