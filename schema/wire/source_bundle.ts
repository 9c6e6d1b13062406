import { MAX_SOURCE_ENTRIES, MAX_SOURCE_RATIO, MAX_SOURCE_UNPACKED_BYTES, SOURCE_RATIO_FREE_BYTES } from "./limits.ts";

/**
 * The rule for source bundles: tar archives, with or without gzip, whose entries become a
 * workspace. The coordinator applies it to an upload, so that the person who can fix it sees the
 * error. The agent applies it again when it unpacks.
 */

/** One entry of an archive, with the fields that the rule needs. */
export interface BundleEntry {
	name: string;
	type?: string | undefined;
	size: number;
	linkname?: string | undefined;
}

/** A bundle that must not become a workspace. The sentence names the entry. */
export class BadBundle extends Error {
	override name = "BadBundle";
	readonly entry: string;

	constructor(entry: string, error: string) {
		super(`${JSON.stringify(shortened(entry))}: ${error}`);
		this.entry = shortened(entry);
	}
}

/**
 * Checks the ratio of an archive so far: a few bytes that become gigabytes are no source.
 * @throws BadBundle
 */
export function checkRatio(packed: number, unpacked: number): void {
	if (unpacked <= SOURCE_RATIO_FREE_BYTES + packed * MAX_SOURCE_RATIO) return;
	throw new BadBundle(
		"the archive",
		`${packed} bytes unpack to more than ${unpacked}; a source may unpack to ${MAX_SOURCE_RATIO} times its length and ${SOURCE_RATIO_FREE_BYTES} bytes`,
	);
}

const LONGEST_NAME = 4096;
const DEEPEST = 100;
const MOST_CHARACTERS = 64 * 1024 * 1024;

/** Checks the entries of one archive, in their order. */
export class BundleRule {
	readonly #files = new Set<string>();
	readonly #links = new Set<string>();
	readonly #folders = new Set<string>();
	#entries = 0;
	#characters = 0;
	/** The unpacked bytes so far. */
	bytes = 0;

	get entries(): number {
		return this.#entries;
	}

	/** @throws BadBundle */
	check(entry: BundleEntry): void {
		const { type = "file", size } = entry;
		this.#entries += 1;
		this.bytes += size;
		if (this.#entries > MAX_SOURCE_ENTRIES)
			throw new BadBundle(entry.name, `a source may have ${MAX_SOURCE_ENTRIES} entries; this is one more`);
		if (this.bytes > MAX_SOURCE_UNPACKED_BYTES)
			throw new BadBundle(entry.name, `a source may unpack to ${MAX_SOURCE_UNPACKED_BYTES} bytes; with this entry it is ${this.bytes}`);
		const parts = partsOf(entry.name);
		const path = parts.join("/");
		this.#checkWay(entry.name, parts);
		if (type === "directory") return;
		if (this.#folders.has(path)) throw new BadBundle(entry.name, "is a folder, too");
		if (path === "") throw new BadBundle(entry.name, "is not the name of a file");
		if (type === "symlink") this.#addLink(entry, parts, path);
		else if (type === "link") this.#checkHardLink(entry);
		else if (type === "file") {
			// A file replaces a link of the same name, but would be written through the link.
			if (this.#links.has(path)) throw new BadBundle(entry.name, "is both a link and a file");
			if (this.#files.has(path)) throw new BadBundle(entry.name, "is in the archive twice");
			this.#files.add(path);
		} else if (!IGNORED.has(type)) throw new BadBundle(entry.name, `a ${type.replace("-", " ")} cannot be part of a source`);
	}

	/** No entry may be behind a link of the same archive: its place would depend on the link. */
	#checkWay(name: string, parts: readonly string[]): void {
		this.#count(name, name);
		for (let depth = parts.length - 1; depth > 0; depth -= 1) {
			const folder = parts.slice(0, depth).join("/");
			// A known folder has only folders above it.
			if (this.#folders.has(folder)) return;
			if (this.#links.has(folder)) throw new BadBundle(name, "lies behind a link");
			if (this.#files.has(folder)) throw new BadBundle(name, "lies below a file");
			this.#folders.add(folder);
			this.#count(name, folder);
		}
	}

	/** All names are kept in memory: their total size is limited. */
	#count(name: string, remembered: string): void {
		this.#characters += remembered.length;
		if (this.#characters > MOST_CHARACTERS) throw new BadBundle(name, "with this one the names of all entries are too long");
	}

	#addLink(entry: BundleEntry, parts: readonly string[], path: string): void {
		const target = entry.linkname ?? "";
		const steps = target.split("/").filter((part) => part !== "" && part !== ".");
		const ups = steps.findIndex((step) => step !== "..");
		const climbs = ups === -1 ? steps.length : ups;
		const isTwisted = steps.slice(climbs).includes("..");
		if (target === "" || target.startsWith("/") || /[\0\\]/.test(target) || isTwisted || climbs > parts.length - 1)
			throw new BadBundle(entry.name, `a link to ${JSON.stringify(shortened(target))} leads out of the source`);
		if (this.#files.has(path)) throw new BadBundle(entry.name, "is both a link and a file");
		this.#links.add(path);
	}

	#checkHardLink(entry: BundleEntry): void {
		const target = entry.linkname ?? "";
		const isKnown = this.#files.has(partsOf(target, entry.name).join("/"));
		if (!isKnown) throw new BadBundle(entry.name, `a hard link to ${JSON.stringify(shortened(target))}, which is no file of this source`);
	}
}

/** Entries without a file: they describe the archive. */
const IGNORED: ReadonlySet<string> = new Set(["pax-global-header"]);

/** The parts of a path inside the archive. @throws BadBundle naming `entry` */
function partsOf(name: string, entry = name): string[] {
	if (name.startsWith("/") || /^[A-Za-z]:/.test(name)) throw new BadBundle(entry, "is an absolute path");
	if (/[\0\\]/.test(name)) throw new BadBundle(entry, "a name may hold no NUL and no backslash");
	if (name.includes("\ufffd")) throw new BadBundle(entry, "the name is not UTF-8");
	if (name.length > LONGEST_NAME) throw new BadBundle(entry, `a name may have ${LONGEST_NAME} characters`);
	const parts = name.split("/").filter((part) => part !== "" && part !== ".");
	if (parts.length > DEEPEST) throw new BadBundle(entry, `lies more than ${DEEPEST} folders deep`);
	if (parts.includes("..")) throw new BadBundle(entry, "leads out of the source");
	return parts;
}

function shortened(text: string): string {
	return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}
