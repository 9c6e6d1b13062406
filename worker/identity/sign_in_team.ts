import { DEFAULT_TEAM } from "../../schema/wire/teams.ts";
import { hasSeveralTeams } from "../platform/teams.ts";
import { cookieIn, setCookie } from "./cookies.ts";

/** The team that a browser signs in to: names of people are of one team each. */

const NAME = "windlass_team";
const SLUG = /^[a-z][a-z0-9-]{1,31}$/;
const KEPT_S = 365 * 24 * 60 * 60;

/** The team of `?team=`, or else of the sign-in before. @returns null while there is one team only */
export async function signInTeam(
	db: D1Database,
	{ request, url, isSecure }: { request: Request; url: URL; isSecure: boolean },
): Promise<string | null> {
	if (!(await hasSeveralTeams(db))) return null;
	const wanted = url.searchParams.get("team") ?? cookieIn(request, NAME, isSecure) ?? DEFAULT_TEAM;
	// A team that does not exist is told as well: nobody learns here which do.
	return SLUG.test(wanted) ? wanted : DEFAULT_TEAM;
}

/** The Set-Cookie value that has the next sign-in begin with this team; null if it does so already. */
export function rememberedTeam(request: Request, team: string, isSecure: boolean): string | null {
	return (cookieIn(request, NAME, isSecure) ?? DEFAULT_TEAM) === team ? null : setCookie(NAME, team, KEPT_S, isSecure);
}
