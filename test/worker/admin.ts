import { env } from "cloudflare:workers";
import { beforeAll } from "vitest";
import { sha256 } from "../../worker/identity/digest.ts";

/** The token of the administrator. */
export const ADMIN = "an-admin-token-for-tests-that-nobody-guesses";

/** Adds the token before the tests of a file. */
export function withAdmin(): void {
	beforeAll(async () => {
		await env.DB.prepare(
			"INSERT OR IGNORE INTO tokens (id, team, kind, name, hash, created_at) VALUES ('tok_1', 'default', 'admin', 'admin', ?, 0)",
		)
			.bind(await sha256(ADMIN))
			.run();
	});
}
