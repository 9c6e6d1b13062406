import type { SessionRow, tokens } from "../../schema/database/tables.ts";
import { TrustedRows } from "./trusted_rows.ts";

/** A live session, and who it stands for. */
export interface SignedIn {
	session: SessionRow;
	token: typeof tokens.$inferSelect;
}

/** The sessions that were found lately. */
export const trustedSessions = new TrustedRows<SignedIn>();

/** Forgets what is known of sessions, after a change of people. */
export function evictSessions(): void {
	trustedSessions.evictAll();
}
