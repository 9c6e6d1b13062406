import { readIncludes } from "../../schema/pipeline/compose/wanted_includes.ts";
import type { DiscoveryResult } from "../../schema/wire/discovery.ts";
import { MAX_DISCOVERY_FILE_BYTES } from "../../schema/wire/limits.ts";
import { readBlob } from "./blobs.ts";
import type { Git } from "./git.ts";

/** The files that pipelines include, as git's objects have them. */

type Included = DiscoveryResult["included"];

/** The files that these pipelines of a commit include. */
export async function includedFiles(git: Git, sha: string, files: DiscoveryResult["files"]): Promise<Included> {
	const texts = files.map(({ text }) => text);
	const read = await readIncludes(texts, async (place) => {
		const found = await readBlob(git, sha, place.file);
		if (found === null || typeof found === "string") return found === null ? null : { text: found };
		return {
			error: `The file ${place.file} has ${found.size} bytes.`,
			suggestion: `An included file has at most ${MAX_DISCOVERY_FILE_BYTES} bytes.`,
		};
	});
	return read.map(({ place, ...one }) => ({
		...place,
		sha: null,
		text: "text" in one ? one.text : null,
		error: "error" in one ? one.error : null,
	}));
}
