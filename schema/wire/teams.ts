import * as z from "zod";
import { actorName } from "./actor_name.ts";

/** Teams: each has its own queue, projects, agents, secrets, tokens and people. */

/** The team of a coordinator from its first start on. Its operators stand above all teams. */
export const DEFAULT_TEAM = "default";

/** The header with which an operator acts in another team. */
export const TEAM_HEADER = "Windlass-Team";

/** Slugs that would read as something else. */
const RESERVED = new Set([
	"admin",
	"all",
	"api",
	"internal",
	"new",
	"none",
	"operator",
	"operators",
	"system",
	"team",
	"teams",
	"windlass",
]);

const teamSlug = z
	.string()
	.regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, "is lower-case letters and digits with single dashes between them, and begins with a letter")
	.min(2, "has fewer than 2 characters")
	.max(32, "has more than 32 characters")
	.refine((slug) => !RESERVED.has(slug), "is reserved: choose another slug");

/** POST /teams */
export const teamRequest = z.strictObject({
	slug: teamSlug,
	/** As people read it; default: the slug. */
	name: z.string().trim().min(1).max(80).optional(),
	/** Who gets an invitation as the first admin. */
	admin: actorName.optional(),
});
export type TeamRequest = z.infer<typeof teamRequest>;

/** PATCH /teams/:slug */
export const teamChange = z.strictObject({ name: z.string().trim().min(1).max(80) });

export const team = z.object({
	slug: z.string(),
	name: z.string(),
	created_by: z.string(),
	created_at: z.string(),
	people: z.number(),
	projects: z.number(),
});
export type Team = z.infer<typeof team>;

/** The answer to POST /teams. */
export const createdTeam = team.extend({
	/** How the admin joins; null if nobody was named, or they have joined already. */
	invitation: z.object({ name: z.string(), url: z.string(), expires_at: z.string() }).nullable(),
});
export type CreatedTeam = z.infer<typeof createdTeam>;

/** What people take for the same letters in most typefaces. */
const ALIKE: readonly [RegExp, string][] = [
	[/-/g, ""],
	[/[1i]/g, "l"],
	[/0/g, "o"],
	[/5/g, "s"],
	[/rn/g, "m"],
	[/vv/g, "w"],
];

/** A form that slugs have in common which look alike, such as `web-1` and `webl`. */
export function looksOf(slug: string): string {
	return ALIKE.reduce((text, [from, to]) => text.replace(from, to), slug);
}
