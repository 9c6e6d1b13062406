/** The credentials with which git asks a server over HTTP. */
export interface GitCredentials {
	/** The only address that gets them: a server (`https://git.lan`), or one repository of it. */
	scope: string;
	username: string;
	password: string;
}

/** Servers that want only a token accept any user name. */
const USERNAME_OF_TOKENS = "git";

/** @param text `user:password`, or only a token */
export function gitCredentials(address: string, text: string): GitCredentials {
	const [, username = USERNAME_OF_TOKENS, password = text] = /^([^:\s]+):(.*)$/s.exec(text.trim()) ?? [];
	return { scope: new URL(address).origin, username, password: password.trim() };
}

/** The same credentials for one repository, not for the others of its server. */
export function ownCredentials(credentials: GitCredentials, address: string): GitCredentials {
	const { origin, pathname } = new URL(address);
	return { ...credentials, scope: `${origin}${pathname.replace(/\/+$/, "")}` };
}

/**
 * Gives credentials to git by a helper that reads them from the environment, so that no command
 * line and no file has them. It needs git 2.31.
 * @param before the number of settings that the environment has already
 */
export function credentialEnvironment(credentials: GitCredentials | null, before: number): Record<string, string> {
	if (!credentials) return {};
	const helper = '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$WINDLASS_GIT_USERNAME" "$WINDLASS_GIT_PASSWORD"; }; f';
	return {
		...settingsEnvironment(credentialSettings(credentials.scope, helper), before),
		WINDLASS_GIT_USERNAME: credentials.username,
		WINDLASS_GIT_PASSWORD: credentials.password,
	};
}

/**
 * The settings that make git ask a helper for the credentials of a server or a repository.
 * @param helper in git's syntax, such as `!sh helper`
 */
function credentialSettings(scope: string, helper: string): [string, string][] {
	return [
		// Another helper would store the credentials.
		["credential.helper", ""],
		[`credential.${scope}.helper`, helper],
		// Git sends the path, too, so that the helper can distinguish repositories.
		[`credential.${new URL(scope).origin}.useHttpPath`, "true"],
	];
}

/**
 * The environment variables of git settings.
 * @param before the number of settings that the environment has already
 */
export function settingsEnvironment(settings: readonly (readonly [string, string])[], before: number): Record<string, string> {
	const variables = settings.flatMap(([key, value], index) => [
		[`GIT_CONFIG_KEY_${before + index}`, key],
		[`GIT_CONFIG_VALUE_${before + index}`, value],
	]);
	return { ...Object.fromEntries(variables), GIT_CONFIG_COUNT: String(before + settings.length) };
}
