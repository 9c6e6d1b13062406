import type { RunTrust } from "../../../../schema/wire/agents.ts";
import { ApiError, notFound } from "../../../../schema/wire/errors.ts";
import { type Core, command } from "../core.ts";
import { insertInto } from "../sql.ts";
import { clearTimer, setTimer } from "../timers.ts";

/**
 * Agents join with registration tokens, which give them labels and a restriction. Only hashes of
 * the tokens are stored.
 */

export interface NewRegistrationToken {
	hash: string;
	uses: number;
	expiresAt: number;
	labels: string[];
	projects: string[];
	runs: RunTrust;
}

export interface RegistrationTokenRow {
	id: string;
	hash: string;
	uses: number;
	uses_left: number;
	expires_at: number;
	labels: string;
	projects: string;
	runs: RunTrust;
	created_by: string;
	created_at: number;
}

/** Stores a token. A token with the same hash stays as it is. @returns its id */
export function createRegistrationToken(core: Core, token: NewRegistrationToken, actor: string): string {
	const body = () => {
		const [known] = core.sql.all<{ id: string }>("SELECT id FROM registration_tokens WHERE hash = ?", token.hash);
		if (known) return known.id;
		const id = core.newId("registration");
		core.sql.all(
			...insertInto("registration_tokens", {
				...{ id, hash: token.hash, uses: token.uses, uses_left: token.uses, expires_at: token.expiresAt },
				...{ labels: JSON.stringify(token.labels), projects: JSON.stringify([...new Set(token.projects)]), runs: token.runs },
				...{ created_by: actor, created_at: core.now() },
			}),
		);
		setTimer(core, "registration", token.hash, token.expiresAt);
		return id;
	};
	return command(core, body, actor);
}

/** The tokens that have not expired, newest first. */
export function listRegistrationTokens(core: Core): RegistrationTokenRow[] {
	return core.sql.all<RegistrationTokenRow>(
		"SELECT * FROM registration_tokens WHERE expires_at > ? ORDER BY created_at DESC, id DESC",
		core.now(),
	);
}

/** Makes a token invalid at once. Agents that joined with it stay. @throws ApiError `not_found` */
export function revokeRegistrationToken(core: Core, id: string, actor: string): void {
	const body = () => {
		const [revoked] = core.sql.all<{ hash: string }>("DELETE FROM registration_tokens WHERE id = ? RETURNING hash", id);
		if (!revoked) throw notFound("registration token", id);
		clearTimer(core, "registration", revoked.hash);
	};
	command(core, body, actor);
}

/**
 * Takes one use of a token. Call it inside a command.
 * @returns the labels and the restriction of the token, as JSON
 * @throws ApiError `authentication_required` for a token that is unknown, revoked, used up or
 * expired
 */
export function useRegistrationToken(core: Core, hash: string): Pick<RegistrationTokenRow, "labels" | "projects" | "runs"> {
	const [token] = core.sql.all<RegistrationTokenRow>(
		"UPDATE registration_tokens SET uses_left = uses_left - 1 WHERE hash = ? AND uses_left > 0 AND expires_at > ? RETURNING *",
		hash,
		core.now(),
	);
	if (token) return token;
	throw unknownToken();
}

/** The error for a registration token that is not valid, or never was. */
export function unknownToken(): ApiError {
	return new ApiError("authentication_required", "The registration token is unknown, used up or expired.", {
		suggestions: ["Make a new one on the page /agents, or with: windlass agent-tokens create"],
	});
}
