import { closeSync, futimesSync, lutimesSync, mkdirSync, openSync, symlinkSync, utimesSync, writeSync } from "node:fs";
import { Parser, type ReadEntry } from "tar";
import { type ArchiveBounds, ArchiveRule } from "./archive_rule.ts";
import { BadArchive } from "./bad_archive.ts";
import { FILE_TIME } from "./pack.ts";

/**
 * Unpacks an archive into an empty folder. Links are made last, so that nothing is written through
 * one. It writes with calls that block, so it runs in a thread of its own (archive_thread.ts).
 */
export class Unpacker {
	readonly #folder: string;
	readonly #rule: ArchiveRule;
	readonly #parser: Parser;
	readonly #links: { path: string; target: string }[] = [];
	readonly #folders: string[] = [];
	#error: Error | null = null;

	constructor(folder: string, bounds: ArchiveBounds) {
		this.#folder = folder;
		this.#rule = new ArchiveRule(bounds);
		this.#parser = new Parser({ onReadEntry: (entry) => this.#guarded(entry, () => this.#take(entry)), strict: true });
		this.#parser.on("error", (error) => {
			this.#error ??= new BadArchive(`it is no archive: ${(error as Error).message}`);
		});
		// A parser that ignores an entry says so in a warning, and an archive of ours has none.
		this.#parser.on("ignoredEntry", ({ path }: ReadEntry) => {
			this.#error ??= new BadArchive(`${JSON.stringify(path)}: cannot be part of a cache`);
		});
	}

	/** @throws BadArchive; the system's error for a file that cannot be written */
	write(bytes: Buffer): void {
		this.#parser.write(bytes);
		if (this.#error) throw this.#error;
	}

	/** @returns what the cache consists of: files and folders of the workspace */
	end(): string[] {
		this.#parser.end();
		if (this.#error) throw this.#error;
		for (const { path, target } of this.#links) {
			once(path, () => symlinkSync(target, this.#placeOf(path)));
			lutimesSync(this.#placeOf(path), FILE_TIME, FILE_TIME);
		}
		for (const path of this.#folders.reverse()) utimesSync(this.#placeOf(path), FILE_TIME, FILE_TIME);
		return this.#rule.roots;
	}

	#placeOf(path: string): string {
		return `${this.#folder}/${path}`;
	}

	#take(entry: ReadEntry): void {
		const { path, missing } = this.#rule.check(entry.path, entry.type, entry.size);
		for (const folder of missing) mkdirSync(this.#placeOf(folder), { mode: 0o755 });
		if (entry.type === "Directory") {
			// An entry before may have been inside of it.
			mkdirSync(this.#placeOf(path), { mode: 0o755 });
			this.#folders.push(path);
		} else if (entry.type === "SymbolicLink") this.#links.push({ path, target: entry.linkpath ?? "" });
		if (entry.type === "File") this.#takeFile(entry, path);
		else entry.resume();
	}

	#takeFile(entry: ReadEntry, path: string): void {
		const file = openSync(this.#placeOf(path), "wx", ((entry.mode ?? 0) & 0o100) === 0 ? 0o644 : 0o755);
		entry.on("data", (bytes: Buffer) => this.#guarded(entry, () => writeAll(file, bytes)));
		entry.on("end", () => {
			futimesSync(file, FILE_TIME, FILE_TIME);
			closeSync(file);
		});
	}

	/** An error in a listener of the parser would be an error of the parser. */
	#guarded(entry: ReadEntry, body: () => void): void {
		if (this.#error === null) {
			try {
				once(entry.path, body);
				return;
			} catch (error) {
				this.#error = error as Error;
			}
		}
		entry.resume();
	}
}

function writeAll(file: number, bytes: Buffer): void {
	for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

/** Makes an entry. @throws BadArchive if there is one of this name */
function once(path: string, body: () => void): void {
	try {
		body();
	} catch (error) {
		throw (error as NodeJS.ErrnoException).code === "EEXIST" ? new BadArchive(`${JSON.stringify(path)}: is there twice`) : error;
	}
}
