import { cacheKeyError } from "../../schema/wire/caches.ts";
import type { Assignment } from "../../schema/wire/protocol.ts";
import type { ConfinedFolder } from "../files/confined_folder.ts";
import { newSha256, sha256 } from "../files/hashing.ts";
import type { Masker } from "../log/masker.ts";
import { findFiles } from "../results/find_files.ts";
import { PLATFORM } from "./platform.ts";

/** The keys of the caches of a job, once its source is there. */

export type AssignedCache = Assignment["caches"][number];

/** A cache with its keys filled in. */
export interface KeyedCache extends Omit<AssignedCache, "key" | "restore_keys"> {
	key: string;
	restore_keys: string[];
	/** What only equal caches have in common: a digest of the paths and of this platform. */
	variant: string;
}

interface Surroundings {
	workspace: ConfinedFolder;
	values: Assignment["values"];
	masker: Masker;
	writeLine(text: string): Promise<void>;
}

/** The caches whose keys can be used. The log says why another one cannot. */
export async function keyedCaches(caches: readonly AssignedCache[], surroundings: Surroundings): Promise<KeyedCache[]> {
	const fill = await filler(caches, surroundings);
	const keyed: KeyedCache[] = [];
	for (const cache of caches) {
		const keys = [cache.key, ...cache.restore_keys].map((text) => surroundings.masker.text(fill(text)));
		const [key = "", ...restore_keys] = keys;
		const error = cacheKeyError(key);
		if (error !== null) await surroundings.writeLine(`:: a cache of ${cache.paths.join(", ")} is not used: its key ${error}`);
		else keyed.push({ ...cache, key, restore_keys: restore_keys.filter((one) => cacheKeyError(one) === null), variant: variantOf(cache) });
	}
	return keyed;
}

/** Caches of other paths are other caches, and so are those of another kind of machine. */
function variantOf({ paths }: AssignedCache): string {
	return sha256(JSON.stringify([[...new Set(paths)].sort(), PLATFORM]));
}

type Text = AssignedCache["key"];

/** Fills in texts, with the digests of the files that they ask for. */
async function filler(caches: readonly AssignedCache[], { workspace, values, writeLine }: Surroundings): Promise<(text: Text) => string> {
	const texts = caches.flatMap(({ key, restore_keys }) => [key, ...restore_keys]);
	if (texts.every((text) => typeof text === "string")) return (text) => text as string;
	// The interpreter of expressions is large, and most jobs do not need it.
	const [{ fillLate, hashesIn }, { NO_STATUS, patternsKey }] = await Promise.all([
		import("../../schema/pipeline/expressions/template.ts"),
		import("../../schema/pipeline/expressions/scope.ts"),
	]);
	const hashes: Record<string, string> = {};
	for (const patterns of texts.flatMap(hashesIn)) {
		const asked = patternsKey(patterns);
		if (Object.hasOwn(hashes, asked)) continue;
		const { files } = await findFiles(workspace, patterns);
		if (files.length === 0) await writeLine(`:: hash(${JSON.stringify(patterns).slice(1, -1)}) matches no file: it is empty`);
		hashes[asked] = files.length === 0 ? "" : await digestOf(workspace, files);
	}
	if (values === null) throw new Error("the assignment has no values for the expressions of its caches");
	return (text) => fillLate(text, { ...values, status: NO_STATUS, hashes });
}

/** A digest of the names and contents of files. */
async function digestOf(workspace: ConfinedFolder, files: readonly string[]): Promise<string> {
	const whole = newSha256();
	for (const name of files) {
		const file = await workspace.file(name);
		const content = newSha256();
		try {
			for await (const bytes of file.createReadStream({ autoClose: false })) content.update(bytes);
		} finally {
			await file.close();
		}
		whole.update(`${name}\0${content.digest("hex")}\n`);
	}
	return whole.digest("hex");
}
