import * as z from "zod";
import { isRef } from "../../schema/wire/git.ts";

/** The fields in which GitHub, Gitea and Forgejo, and GitLab name the default branch. */

const branch = z.string().max(200).refine(isRef);
const ofGithub = z.object({ repository: z.object({ default_branch: branch }) });
const ofGitlab = z.object({ project: z.object({ default_branch: branch }) });

/** The default branch that the body of a webhook names; null where it names none. */
export function defaultBranchIn(payload: unknown): string | null {
	return ofGithub.safeParse(payload).data?.repository.default_branch ?? ofGitlab.safeParse(payload).data?.project.default_branch ?? null;
}
