/** Addresses and refs of repositories. */

/** The error in the address of a repository; null without one. */
export function addressError(url: string): string | null {
	if (url.startsWith("-")) return "must be a repository address";
	if (!/^(https?|ssh|git|file):\/\//.test(url) && !url.startsWith("/") && !/^[\w.-]+@[\w.-]+:/.test(url))
		return "must be an address that git can clone: https://…, ssh://…, git@host:path, file:///… or an absolute path";
	if (/^[a-z]+:\/\/[^/@]*:[^/@]*@/.test(url))
		return "may not carry a password: keep it as a secret and name it in the credentials of a project, or give the agent an SSH key";
	return null;
}

/** Whether a text can be the name of a branch or a tag, or a commit id. */
export function isRef(ref: string): boolean {
	return ref !== "" && !ref.startsWith("-") && !/[\s~^:?*[\\]|\.\.|@\{/.test(ref);
}
export const REF_ERROR = "is not a branch, tag or commit";

/** Only a repository that is read over HTTP uses credentials. */
export function isHttp(repository: string): boolean {
	return /^https?:/.test(repository);
}
