import { ApiError } from "../schema/wire/errors.ts";
import type { TokenPair } from "../schema/wire/logins.ts";
import { askCoordinator } from "./coordinator_request.ts";
import { type Profile, profileNamed, readProfiles, whileLocked, writeProfiles } from "./profiles.ts";
import { UsageError } from "./usage_error.ts";

/** The tokens of a sign-in: the access token is renewed shortly before it expires. */

/** A request may take so long until it is checked. */
const EARLY_MS = 60_000;

/** How long the coordinator may take. Less than what the lock on the profiles is held for. */
const REFRESH_MS = 10_000;

/** A sign-in whose refresh token is not valid any more. */
export class SignInEnded extends UsageError {}

/** What a profile keeps of a pair. */
export function profileOfPair(server: string, { access_token, expires_in, refresh_token }: TokenPair): Profile {
	return { server, access_token, access_until: Date.now() + expires_in * 1_000, refresh_token };
}

/**
 * The token of a profile. A new pair is stored at once, and only one command gets it: the coordinator
 * ends a sign-in whose refresh token is used twice.
 * @param rejected a token that the coordinator has just refused, such as one from before a change of its keys
 * @throws SignInEnded
 */
export async function tokenOfProfile(name: string, profile: Profile, rejected: string | null): Promise<string> {
	if ("token" in profile) return profile.token;
	if (isFresh(profile) && profile.access_token !== rejected) return profile.access_token;
	return whileLocked(async () => {
		const present = profileNamed(readProfiles(), name);
		if (!present || "token" in present || present.server !== profile.server) {
			throw new UsageError("You have signed out meanwhile, or signed in elsewhere. Run the command again.");
		}
		// Another command was faster.
		if (isFresh(present) && present.access_token !== rejected) return present.access_token;
		const pair = await nextPair(present);
		const stored = readProfiles();
		writeProfiles({ ...stored, profiles: { ...stored.profiles, [name]: profileOfPair(present.server, pair) } });
		return pair.access_token;
	});
}

/** The token of a profile that is stored nowhere any more. */
export async function tokenOfReplaced(profile: Profile): Promise<string> {
	if ("token" in profile) return profile.token;
	return isFresh(profile) ? profile.access_token : (await nextPair(profile)).access_token;
}

function isFresh({ access_until }: Exclude<Profile, { token: string }>): boolean {
	return Date.now() < access_until - EARLY_MS;
}

async function nextPair({ server, refresh_token }: Exclude<Profile, { token: string }>): Promise<TokenPair> {
	try {
		const { body } = await askCoordinator(server, "/api/v1/logins/refresh", null, {
			method: "POST",
			json: { refresh_token },
			timeoutMs: REFRESH_MS,
		});
		return (await body.json()) as TokenPair;
	} catch (error) {
		if (error instanceof ApiError && error.code === "authentication_required")
			throw new SignInEnded(`${error.message} Run windlass login again.`);
		throw error;
	}
}
