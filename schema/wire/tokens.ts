import * as z from "zod";
import { actorName } from "./actor_name.ts";
import { parseDuration } from "./duration.ts";
import { ROLES } from "./permissions.ts";
import { projectName } from "./projects.ts";

/** The tokens of people and programs. */

/** The host's own; of a person; for the whole team; and for some projects. */
export const TOKEN_KINDS = ["admin", "personal", "service", "project"] as const;
export type TokenKind = (typeof TOKEN_KINDS)[number];

/** How a token begins, so that people and scanners know what they see. */
export const TOKEN_PREFIXES = {
	...{ admin: "wlu_", personal: "wlu_", service: "wls_", project: "wlp_" },
} as const satisfies Record<TokenKind, string>;

const DAY_MS = 24 * 60 * 60_000;
const MAX_TOKEN_DAYS = 366;
/** How many live tokens of programs a team may have, and a person of their own. */
export const MAX_TOKENS = 1_000;
export const MAX_PERSONAL_TOKENS = 50;

const lifetime = z.string().superRefine((value, context) => {
	const ms = parseDuration(value) ?? 0;
	if (ms <= 0 || ms > MAX_TOKEN_DAYS * DAY_MS)
		context.addIssue({ code: "custom", message: `is not a duration of at most ${MAX_TOKEN_DAYS}d, such as 90d` });
});

/** POST /tokens */
export const tokenRequest = z.strictObject({
	name: actorName,
	role: z.enum(ROLES),
	/** `personal` acts as the person who makes it. Default: with projects `project`, for a person `personal`, else `service`. */
	kind: z.enum(["personal", "service", "project"]).optional(),
	/** The only projects that it opens; without it, all. */
	projects: z.array(projectName).min(1).max(100).optional(),
	expires_in: lifetime,
});
export type TokenRequest = z.infer<typeof tokenRequest>;

/** POST /tokens/:id/rotate: the new token is valid for this long. */
export const tokenRotation = z.strictObject({ expires_in: lifetime });

export const token = z.object({
	id: z.string(),
	kind: z.enum(TOKEN_KINDS),
	name: z.string(),
	role: z.enum(ROLES),
	projects: z.array(z.string()).nullable(),
	created_by: z.string(),
	created_at: z.string(),
	/** Null: the host's own token does not expire. */
	expires_at: z.string().nullable(),
	/** The day of its last use, and the address of its first use on that day; null: never used. */
	last_used: z.object({ on: z.string(), from: z.string() }).nullable(),
	/** Whether it is the token of this request. */
	is_current: z.boolean(),
});
export type Token = z.infer<typeof token>;

/** A new token; only this answer has its secret. */
export const createdToken = token.extend({ token: z.string() });
export type CreatedToken = z.infer<typeof createdToken>;

/** GET /whoami */
export const caller = z.object({
	/** The token of the request; null for a session of a person. */
	token_id: z.string().nullable(),
	/** The team of the request, and that of the caller: they differ where an operator acts in another team. */
	team: z.string(),
	home: z.string(),
	name: z.string(),
	role: z.enum(ROLES),
	projects: z.array(z.string()).nullable(),
	/** Null: it does not expire. */
	expires_at: z.string().nullable(),
	/** Greater roles in single projects. */
	project_roles: z.record(z.string(), z.enum(ROLES)),
	may: z.array(z.string()),
});
export type Caller = z.infer<typeof caller>;
