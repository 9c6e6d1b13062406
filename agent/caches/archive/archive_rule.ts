import { pathMatcher } from "../../../schema/pipeline/syntax/patterns.ts";
import { BadArchive } from "./bad_archive.ts";

/** The bounds of an archive, as its manifest states them. */
export interface ArchiveBounds {
	/** The paths of the cache: nothing else may be in it. */
	paths: readonly string[];
	files: number;
	bytes: number;
}

const MAX_NAME_BYTES = 4096;
const KINDS: ReadonlySet<string> = new Set(["File", "Directory", "SymbolicLink"]);

/**
 * Checks the entries of one archive in their order. Its files, folders and links lie inside the
 * paths of the cache, none lies behind a link, and all together are what the manifest says. A link
 * may lead anywhere: nothing is written through it.
 */
export class ArchiveRule {
	readonly #isWanted: (path: string) => boolean;
	readonly #bounds: ArchiveBounds;
	readonly #folders = new Set<string>();
	/** Entries whose folder is no entry: what the cache consists of. */
	readonly roots: string[] = [];
	files = 0;
	bytes = 0;

	constructor(bounds: ArchiveBounds) {
		this.#bounds = bounds;
		this.#isWanted = pathMatcher(bounds.paths);
	}

	/**
	 * @returns the path of the entry, and the folders that have to be made for it
	 * @throws BadArchive
	 */
	check(name: string, kind: string, size: number): { path: string; missing: string[] } {
		const path = name.replace(/\/$/, "");
		const parts = path.split("/");
		const fail = (why: string): never => {
			throw new BadArchive(`${JSON.stringify(name.slice(0, 200))}: ${why}`);
		};
		if (!KINDS.has(kind)) fail(`a ${kind} cannot be part of a cache`);
		if (Buffer.byteLength(path) > MAX_NAME_BYTES || path.includes("\0")) fail("is not a name of a file");
		if (parts.some((part) => part === "" || part === "." || part === "..")) fail("leads out of the workspace");
		if (!this.#isWanted(path)) fail("is not in the paths of the cache");
		const missing: string[] = [];
		let isRoot = true;
		for (let depth = parts.length - 1; depth > 0; depth -= 1) {
			const folder = parts.slice(0, depth).join("/");
			if (this.#folders.has(folder)) {
				isRoot = missing.length > 0 || !this.#isWanted(folder);
				break;
			}
			missing.unshift(folder);
		}
		for (const folder of missing) this.#folders.add(folder);
		if (isRoot) this.roots.push(path);
		if (kind === "Directory") this.#folders.add(path);
		else this.files += 1;
		this.bytes += size;
		if (this.files > this.#bounds.files || this.bytes > this.#bounds.bytes) fail("with this entry the archive has more than it says");
		return { path, missing };
	}
}
