import { LRUCache } from "lru-cache";
import type { Submission } from "../../schema/pipeline/parse/resolved_submission.ts";
import { definitionJson } from "../../schema/pipeline/resolve/definition_json.ts";
import type { ProjectRepository } from "../../schema/pipeline/resolve/source.ts";
import { sha256 } from "../identity/digest.ts";

/**
 * Recently resolved submissions, by their whole text. Resolution is a pure function of the text and
 * of the project's repository: it reads no clock, no database and no team. Equal text and an equal
 * repository therefore give an equal result. Only successful results are stored.
 */

/** Longer texts are resolved each time, so that one of them does not evict all others. */
export const MAX_STORED_TEXT = 16 * 1024;
/** The characters of all stored texts and results. */
const MAX_CHARACTERS = 2 * 1024 * 1024;
const MAX_CHARACTERS_OF_ONE = 128 * 1024;

/** A resolved submission. Nobody may change it: other requests get the same object. */
export interface ResolvedSubmission extends Submission {
	/** The SHA-256 of the resolved pipeline, in hex. */
	definition: string;
}

export interface ResolvedText {
	submission: ResolvedSubmission;
	/** The project whose repository the result depends on; null if the text names a source. */
	repositoryOf: string | null;
	/** The repository of that project at the time; null without one. */
	repository: ProjectRepository | null;
}

const resolved = new LRUCache<string, ResolvedText>({ maxSize: MAX_CHARACTERS, maxEntrySize: MAX_CHARACTERS_OF_ONE });

export function findResolved(text: string, isJson: boolean): ResolvedText | undefined {
	return resolved.get(keyOf(text, isJson));
}

/** Adds the digest to a submission. */
export async function withDefinition(submission: Submission): Promise<ResolvedSubmission> {
	return { ...submission, definition: await sha256(definitionJson(submission.pipeline)) };
}

/** Stores the result of a text. */
export function storeResolved(text: string, isJson: boolean, result: ResolvedText): void {
	const size = text.length + definitionJson(result.submission.pipeline).length;
	resolved.set(keyOf(text, isJson), result, { size });
}

/** JSON is stricter than YAML: a text may be valid as one of them only. */
function keyOf(text: string, isJson: boolean): string {
	return `${isJson ? "json" : "yaml"} ${text}`;
}
