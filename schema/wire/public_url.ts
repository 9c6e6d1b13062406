/** The address by which people reach the coordinator. A proxy may give it a path. */

/**
 * The first parts of the coordinator's own paths. A public path that begins with one of them would
 * be ambiguous.
 */
export const OWN_SEGMENTS: ReadonlySet<string> = new Set([
	".well-known",
	"agent-tokens",
	"agents",
	"api",
	"approve",
	"assets",
	"audit",
	"badge",
	"deliveries",
	"healthz",
	"hooks",
	"identity-providers",
	"invitations",
	"jobs",
	"join",
	"keys",
	"login",
	"metrics",
	"new",
	"openapi.json",
	"password",
	"people",
	"pipelines",
	"projects",
	"queue",
	"quotas",
	"readyz",
	"runs",
	"schedules",
	"schema",
	"search",
	"sessions",
	"settings",
	"sign-in",
	"sign-out",
	"teams",
	"tests",
	"tokens",
	"version",
]);

/** The path is used unchanged in cookies and in Location headers. */
const PATH = /^(\/[\w.~-]+)*$/;

/** @returns the address without a slash at its end, or the error as the end of a sentence */
export function parsePublicUrl(text: string): { url: string } | { error: string } {
	if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return { error: `must be an address like https://ci.example.com, not ${text}` };
	const { origin, pathname, search, hash, username, password } = new URL(text);
	// Not repeated: it may hold a password.
	if (username !== "" || password !== "") return { error: "must have no user and no password" };
	if (search !== "" || hash !== "") return { error: `must have no query and no fragment: ${text}` };
	const path = pathname.replace(/\/+$/, "");
	if (!PATH.test(path)) return { error: `must have a path of letters, digits, ".", "_", "~" and "-" only, not ${pathname}` };
	const [, first = ""] = path.split("/");
	if (OWN_SEGMENTS.has(first))
		return { error: `cannot have a path that begins with /${first}, which is the coordinator's own; take another` };
	return { url: origin + path };
}
