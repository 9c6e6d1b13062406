import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { ApiError } from "../../schema/wire/errors.ts";
import type { ClaimedLogin, Login } from "../../schema/wire/logins.ts";
import type { Caller } from "../../schema/wire/tokens.ts";
import { Connection, profileOf, serverOf } from "../connection.ts";
import { DEFAULT_PROFILE, type Profile, profileNamed, readProfiles, whileLocked, writeProfiles } from "../profiles.ts";
import { profileOfPair, SignInEnded, tokenOfReplaced } from "../signed_in.ts";
import { print, printJson } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command, type Flags } from "./command.ts";

/** `windlass login` and `windlass logout`. */

/** How often the command asks whether the person has decided. */
const ASK_MS = 1_000;

export function loginCommand(): Command {
	return command(
		"login",
		"Sign in to a coordinator in the browser. The token is kept for this user, and used by the other commands.",
		"windlass login --server https://ci.example.com",
	)
		.option("--machine <name>", "the name of the token", machineName())
		.action(async (flags: Flags & { machine: string }) => {
			const name = profileOf(flags) ?? DEFAULT_PROFILE;
			const replaced = profileNamed(readProfiles(), name);
			const isServerNamed = flags.server !== undefined || Boolean(process.env.WINDLASS_SERVER);
			const server = isServerNamed ? serverOf(flags) : (replaced?.server ?? serverOf(flags));
			const connection = Connection.withoutToken(server);
			const { secret, code, url, valid_ms } = await connection.json<Login>("/api/v1/logins", {
				method: "POST",
				json: { machine: flags.machine },
			});
			process.stderr.write(`Open this page, compare the code ${code}, and allow it:\n\n  ${url}\n\n`);
			const { token } = await decided(connection, secret, Date.now() + valid_ms);
			if (token === null) throw new UsageError("The sign-in was denied on the page.");
			// As it is now: another command may have renewed it meanwhile.
			const former = await whileLocked(async () => {
				const stored = readProfiles();
				writeProfiles({ current: name, profiles: { ...stored.profiles, [name]: profileOfPair(server, token) } });
				return profileNamed(stored, name);
			});
			// Nobody has the old one any more. Its coordinator may be gone.
			if (former) await revoke(former).catch(() => false);
			if (flags.output === "json") return printJson({ profile: name, server, name: token.name, role: token.role });
			print(`Signed in to ${server} as ${token.name}, ${token.role}, until ${token.expires_at}.`);
		});
}

/** Waits until the person has decided. @throws UsageError when it takes too long */
async function decided(connection: Connection, secret: string, until: number): Promise<ClaimedLogin> {
	while (Date.now() < until) {
		const claimed = await connection.json<ClaimedLogin>("/api/v1/logins/claim", { method: "POST", json: { secret } });
		if (claimed.state !== "waiting") return claimed;
		await sleep(ASK_MS);
	}
	throw new UsageError("Nobody has allowed it in time. Run windlass login again.");
}

/** The name of this machine, as a token may be called. */
function machineName(): string {
	const name = hostname()
		.split(".")[0]
		?.toLowerCase()
		.replace(/[^a-z0-9._-]/g, "-")
		.replace(/^[^a-z0-9]+/, "")
		.slice(0, 50);
	return name || "machine";
}

export function logoutCommand(): Command {
	return command("logout", "Revoke the token of windlass login, and forget it.", "windlass logout").action(async (flags: Flags) => {
		const { name, server, revoked } = await whileLocked(() => signOut(flags));
		if (flags.output === "json") return printJson({ profile: name, server, revoked });
		print(`Signed out of ${server}.${revoked ? "" : " The token was invalid already."}`);
	});
}

/** Revokes the token of a profile, and forgets it. @throws UsageError without the profile */
async function signOut(flags: Flags): Promise<{ name: string; server: string; revoked: boolean }> {
	const { current, profiles } = readProfiles();
	const name = profileOf(flags) ?? current ?? DEFAULT_PROFILE;
	const known = profileNamed({ profiles }, name);
	if (!known) throw new UsageError(`You are not signed in: there is no profile ${name}.`);
	const revoked = await revoke(known);
	const rest = Object.fromEntries(Object.entries(profiles).filter(([one]) => one !== name));
	writeProfiles({ current: name === current ? (Object.keys(rest)[0] ?? null) : current, profiles: rest });
	return { name, server: known.server, revoked };
}

/** @returns false if it was invalid already */
async function revoke(profile: Profile): Promise<boolean> {
	try {
		const connection = new Connection({ server: profile.server, apiToken: await tokenOfReplaced(profile), team: null });
		const { token_id } = await connection.json<Caller>("/api/v1/whoami");
		await connection.send(`/api/v1/tokens/${token_id}`, { method: "DELETE" });
		return true;
	} catch (error) {
		if (error instanceof SignInEnded || (error instanceof ApiError && error.code === "authentication_required")) return false;
		throw error;
	}
}
