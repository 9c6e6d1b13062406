import * as z from "zod";
import { addressFault, isRef, REF_FAULT } from "./git.ts";
import { SECRET_NAME, SECRET_NAME_FAULT } from "./secret_names.ts";

/** Projects: what runs are numbered in, and what is known of their repository. */

/** What a project may be called. */
export const projectName = z
	.string()
	.regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, "is lower-case letters, digits, dot, dash or underscore, at most 63");

/** Where runs are that belong to no other project. It cannot be made one. */
export const ADHOC_PROJECT = "adhoc";

const repository = z
	.string()
	.max(1000)
	.superRefine((value, context) => {
		const fault = addressFault(value);
		if (fault) context.addIssue({ code: "custom", message: fault });
	});

const settings = {
	/** The repository that its runs are made of, unless they say otherwise. */
	repository: repository.nullable(),
	default_branch: z.string().max(200).refine(isRef, REF_FAULT),
	/** The name of the secret with which the repository is read over HTTP: `user:password`, or a token alone. */
	credentials: z.string().regex(SECRET_NAME, SECRET_NAME_FAULT).nullable(),
};

/** POST /projects */
export const projectRequest = z.strictObject({
	name: projectName.refine((name) => name !== ADHOC_PROJECT, "is where runs are that belong to no other project; choose another name"),
	repository: settings.repository.default(null),
	default_branch: settings.default_branch.default("main"),
	credentials: settings.credentials.default(null),
});

/** PATCH /projects/:name */
export const projectChange = z.strictObject(settings).partial();

export const project = z.object({
	id: z.string(),
	name: z.string(),
	repository: z.string().nullable(),
	default_branch: z.string(),
	credentials: z.string().nullable(),
	created_at: z.string(),
	updated_at: z.string(),
});
export type Project = z.infer<typeof project>;
