import * as z from "zod";
import { ApiError } from "../../schema/wire/errors.ts";
import type { Environment } from "../bindings.ts";
import { sign, verify } from "../identity/signing.ts";

/**
 * Links that ask one person to decide about one job. They are sent where a pipeline says, which its
 * author chooses: so a link only leads to the question, and the person must be signed in to answer.
 */

const claims = z.object({ team: z.string(), job: z.string(), person: z.string(), name: z.string() });
export type ApprovalLink = z.infer<typeof claims>;

/** How long a link works at most. */
const MOST_MS = 7 * 24 * 60 * 60_000;

/** @param withinMs how long the job waits; null: without an end */
export async function approvalLink(
	{ SIGNING_KEY }: Environment,
	link: ApprovalLink,
	{ baseUrl, withinMs, now }: { baseUrl: string; withinMs: number | null; now: number },
): Promise<{ url: string; expiresAt: number }> {
	const expiresAt = now + Math.min(MOST_MS, withinMs ?? MOST_MS);
	const code = await sign(SIGNING_KEY, "approval", link, expiresAt);
	return { url: `${baseUrl}/approve?${new URLSearchParams({ code })}`, expiresAt };
}

/** @throws ApiError `gone` for a link that has expired, or is none */
export async function openedLink({ SIGNING_KEY }: Environment, code: string): Promise<ApprovalLink> {
	const read = claims.safeParse(await verify(SIGNING_KEY, "approval", code)).data;
	if (read) return read;
	throw new ApiError("gone", "This link has expired, or is not whole.", {
		suggestions: ["Look at the run: its page shows what waits for an approval."],
	});
}
