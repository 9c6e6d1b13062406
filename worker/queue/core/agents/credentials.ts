import type { Core } from "../core.ts";
import { findAgent } from "../rows.ts";
import { unknownToken } from "./registration_tokens.ts";
import { invalidToken } from "./tokens.ts";

/**
 * The credential of an agent or of a new agent: the hash of its token or of its registration token.
 */
export type Credential = { agentId: string; secretHash: string } | { registrationHash: string };

/**
 * Checks a credential before its request is read, and changes nothing. The request itself is
 * checked later.
 * @throws ApiError `authentication_required`
 */
export function assertCredential(core: Core, credential: Credential): void {
	if ("agentId" in credential) {
		const agent = findAgent(core, credential.agentId);
		if (agent?.secret_hash !== credential.secretHash && agent?.next_secret_hash !== credential.secretHash) throw invalidToken();
		return;
	}
	// A token that is used up may come again from the same agent: the registration decides.
	if (core.sql.all("SELECT 1 FROM registration_tokens WHERE hash = ?", credential.registrationHash).length === 0) throw unknownToken();
}
