import * as z from "zod";

/** What a job says about a place in its source, or about itself: a list beside its log. */

export const ANNOTATION_LEVELS = ["error", "warning", "notice"] as const;
export const MAX_ANNOTATIONS = 100;
export const MAX_ANNOTATION_CHARACTERS = 4000;

const annotation = z.object({
	level: z.enum(ANNOTATION_LEVELS),
	text: z.string().max(MAX_ANNOTATION_CHARACTERS),
	title: z.string().max(200).nullable(),
	/** The file of the repository, and the line in it. */
	file: z.string().max(500).nullable(),
	line: z.number().int().positive().max(10_000_000).nullable(),
});
export type Annotation = z.infer<typeof annotation>;
/** The annotations of an attempt. */
export const annotations = z.array(annotation).max(MAX_ANNOTATIONS);
