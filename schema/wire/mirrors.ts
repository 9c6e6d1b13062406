import * as z from "zod";

/** GET /agents/self/mirrors: the repositories whose mirrors an agent keeps warm. */
export const warmMirrors = z.object({
	mirrors: z.array(
		z.object({
			project: z.string(),
			repository: z.string(),
			default_branch: z.string(),
			/** What its server asks for, `user:password` or a token; null: nothing. */
			credentials: z.string().nullable(),
			/** A mirror that was fetched less long ago is warm. */
			every_ms: z.number().int().positive(),
		}),
	),
});
export type WarmMirror = z.infer<typeof warmMirrors>["mirrors"][number];
