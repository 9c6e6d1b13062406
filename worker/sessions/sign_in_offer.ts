import { DEFAULT_TEAM } from "../../schema/wire/teams.ts";
import { signInTeam } from "../identity/sign_in_team.ts";
import { offeredProviders } from "../identity_providers/service.ts";
import type { SignInOffer } from "../ui/sign_in_form.tsx";

/** What the sign-in form begins with, for a browser. */
export async function signInOffer(db: D1Database, asked: { request: Request; url: URL; isSecure: boolean }): Promise<SignInOffer> {
	const team = await signInTeam(db, asked);
	return { team, providers: await offeredProviders(db, team ?? DEFAULT_TEAM) };
}
