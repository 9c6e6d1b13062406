import type { IncludeText } from "../validate/composition_keys.ts";

/** An included file: of the pipeline's own repository, or of another project. */
export interface IncludePlace {
	file: string;
	/** Null: the repository of the pipeline, at its commit. */
	project: string | null;
	/** Null: the default branch of that project. */
	ref: string | null;
}

/** The place of an include in a file at `from`: a file of another project includes files of that project. */
export function placeOf({ file, project, ref }: IncludeText, from: IncludePlace | null): IncludePlace {
	const path = file
		.split("/")
		.filter((part) => part !== "" && part !== ".")
		.join("/");
	if (project !== undefined) return { file: path, project, ref: ref ?? null };
	return { file: path, project: from?.project ?? null, ref: from?.ref ?? null };
}

/** A text that no other place has. */
export function placeKey({ file, project, ref }: IncludePlace): string {
	return JSON.stringify([project, ref, file]);
}

/** A place in words. */
export function placeText({ file, project, ref }: IncludePlace): string {
	return project === null ? file : `${file} of ${project}${ref === null ? "" : ` at ${ref}`}`;
}

/** The texts of included files, by `placeKey`; or why one cannot be read. */
export type IncludedTexts = ReadonlyMap<string, { text: string; sha?: string | null } | { error: string; suggestion: string }>;

/** A file of another project that a pipeline includes, and the commit that it was read at. */
export interface IncludedFile {
	project: string;
	file: string;
	ref: string | null;
	sha: string;
}
