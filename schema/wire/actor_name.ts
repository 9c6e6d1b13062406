import * as z from "zod";

/** The name of a person or a token. */
export const actorName = z
	.string()
	.regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, "is lower-case letters, digits, dot, dash or underscore, at most 63");
