import * as z from "zod";
import { actorName } from "./actor_name.ts";
import { parseDuration } from "./duration.ts";
import { ROLES } from "./permissions.ts";

/** People: they sign in with a password or an account of an identity provider, and have a role. */

export const LEAST_PASSWORD_LENGTH = 12;
const MOST_PASSWORD_LENGTH = 200;
const DAY_MS = 24 * 60 * 60_000;
/** How long an invitation may be valid, in days. */
const MOST_INVITATION_DAYS = 30;

export const password = z
	.string()
	.min(LEAST_PASSWORD_LENGTH, `has fewer than ${LEAST_PASSWORD_LENGTH} characters`)
	.max(MOST_PASSWORD_LENGTH, `has more than ${MOST_PASSWORD_LENGTH} characters`);

const lifetime = z.string().superRefine((value, context) => {
	const ms = parseDuration(value) ?? 0;
	if (ms <= 0 || ms > MOST_INVITATION_DAYS * DAY_MS)
		context.addIssue({ code: "custom", message: `is not a duration of at most ${MOST_INVITATION_DAYS}d, such as 3d` });
});

/** POST /people: an invitation. */
export const invitationRequest = z.strictObject({ name: actorName, role: z.enum(ROLES), expires_in: lifetime.default("3d") });
export type InvitationRequest = z.infer<typeof invitationRequest>;

/** A link that works once. Only this answer has it. */
export const invitation = z.object({ name: z.string(), role: z.enum(ROLES), url: z.string(), expires_at: z.string() });
export type Invitation = z.infer<typeof invitation>;

/** PATCH /people/:id */
export const personChange = z.strictObject({ role: z.enum(ROLES) });

export const person = z.object({
	id: z.string(),
	name: z.string(),
	role: z.enum(ROLES),
	invited_by: z.string(),
	joined_at: z.string(),
	/** The day on which they signed in last, and from where; null: never. */
	last_seen: z.object({ on: z.string(), from: z.string() }).nullable(),
	/** The identity providers with whose accounts they sign in. */
	providers: z.array(z.string()),
	/** Whether the rules of a provider decide their role at each sign-in. */
	has_role_by_rule: z.boolean(),
	/** Whether it is the caller. */
	is_current: z.boolean(),
});
export type Person = z.infer<typeof person>;

/** An invitation that nobody has used yet, without its link. */
export const openInvitation = z.object({
	name: z.string(),
	role: z.enum(ROLES),
	/** Whether it is for a person who is here, to sign in anew. */
	is_reset: z.boolean(),
	invited_by: z.string(),
	expires_at: z.string(),
});
export type OpenInvitation = z.infer<typeof openInvitation>;
