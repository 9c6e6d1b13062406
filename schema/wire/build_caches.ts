import * as z from "zod";

/** The caches of build tools: a tool asks the coordinator for each of its results by a key of its own. */

export const BUILD_TOOLS = ["bazel", "ccache", "gradle", "sccache", "turbo"] as const;
export type BuildTool = (typeof BUILD_TOOLS)[number];

/** The right of a job to use them, in its assignment. */
export const buildCacheAccess = z.object({
	tools: z.array(z.enum(BUILD_TOOLS)),
	/** The token of the job; valid while its lease holds. */
	token: z.string(),
	/** The path of the API below which each tool has a path of its own. */
	path: z.string(),
});
export type BuildCacheAccess = z.infer<typeof buildCacheAccess>;
