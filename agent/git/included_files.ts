import { type IncludePlace, placeKey, placeText } from "../../schema/pipeline/compose/include_place.ts";
import { readIncludes } from "../../schema/pipeline/compose/wanted_includes.ts";
import type { DiscoveryResult, DiscoveryWork } from "../../schema/wire/discovery.ts";
import { MAX_DISCOVERY_FILE_BYTES } from "../../schema/wire/limits.ts";
import { readBlob } from "./blobs.ts";
import { CheckoutFailed, GitFailed } from "./errors.ts";
import type { Git } from "./git.ts";

/** The files that pipelines include, as git's objects have them. */

const SHOWN_DIGITS = 12;

type Included = DiscoveryResult["included"];

/** A commit of another project, in a folder of its own. */
export interface FetchedCommit {
	git: Git;
	sha: string;
}

/** Where files are included from: the commit of the pipelines, and other projects. */
export interface IncludeSources {
	git: Git;
	sha: string;
	projects: DiscoveryWork["projects"];
	/** Fetches a commit of another project. @throws CheckoutFailed, GitFailed */
	fetch(project: DiscoveryWork["projects"][number], ref: string | null): Promise<FetchedCommit>;
	writeLine(text: string): Promise<void>;
}

/** The files that these pipelines include. */
export async function includedFiles(sources: IncludeSources, files: DiscoveryResult["files"]): Promise<Included> {
	const commits = new Map<string, Promise<FetchedCommit>>();
	const shas = new Map<string, string>();
	const commitOf = ({ project: name, ref }: IncludePlace): Promise<FetchedCommit> | null => {
		if (name === null) return Promise.resolve(sources);
		const project = sources.projects.find((one) => one.name === name);
		if (!project) return null;
		const key = JSON.stringify([name, ref]);
		const known = commits.get(key) ?? sources.fetch(project, ref);
		commits.set(key, known);
		return known;
	};
	const texts = files.map(({ text }) => text);
	const read = await readIncludes(texts, async (place) => {
		const fetching = commitOf(place);
		if (fetching === null) {
			return {
				error: `The pipelines of this project may not include files of ${place.project}, or there is no such project.`,
				suggestion: `Allow it: windlass projects edit ${place.project} --includable-by <this project>.`,
			};
		}
		const commit = await fetching.catch((error) => {
			if (error instanceof CheckoutFailed || error instanceof GitFailed) return error;
			throw error;
		});
		if (commit instanceof Error)
			return {
				error: `${placeText(place)} cannot be read: ${commit.message}`.slice(0, 500),
				suggestion: "Check the ref, and the credentials of that project.",
			};
		if (place.project !== null) {
			shas.set(placeKey(place), commit.sha);
			await sources.writeLine(`:: include ${placeText(place)}, commit ${commit.sha.slice(0, SHOWN_DIGITS)}`);
		}
		const found = await readBlob(commit.git, commit.sha, place.file);
		if (found === null || typeof found === "string") return found === null ? null : { text: found };
		return {
			error: `The file ${place.file} has ${found.size} bytes.`,
			suggestion: `An included file has at most ${MAX_DISCOVERY_FILE_BYTES} bytes.`,
		};
	});
	return read.map(({ place, ...one }) => ({
		...place,
		sha: shas.get(placeKey(place)) ?? null,
		text: "text" in one ? one.text : null,
		error: "error" in one ? one.error : null,
	}));
}
