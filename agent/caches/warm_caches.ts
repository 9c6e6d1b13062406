import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, stat, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import * as z from "zod";
import { removeFolder } from "../files/remove_folder.ts";
import { log } from "../logger.ts";
import { copyFolder, copyUnchanged, digestFolder } from "./archive/archiver.ts";

/**
 * The caches that this machine has, unpacked, by their content. A job on this machine could change
 * one, so each is compared with what it was before it is copied; one of an earlier process of the
 * agent is read through once.
 */

/** The time of its file says when it was used last. */
const description = z.object({ roots: z.array(z.string()), bytes: z.number() });

interface Warm {
	roots: readonly string[];
	bytes: number;
	/** When it was used last, in milliseconds since 1970. */
	usedAt: number;
	/** Null for one of an earlier process, which was not looked at yet; null is also what it brings if the content is not the one of its name. */
	fingerprint: Promise<string | null> | null;
	/** How many copies are being made of it. */
	readers: number;
}

/** Several jobs wait for it: none of them ends it. */
const NEVER = new AbortController().signal;

/** @throws the signal's reason once it is aborted */
function abortOf(signal: AbortSignal): Promise<never> {
	return new Promise((_, reject) => {
		if (signal.aborted) reject(signal.reason);
		signal.addEventListener("abort", () => reject(signal.reason), { once: true });
	});
}

/** What a content consists of. */
export interface WarmContent {
	content: string;
	roots: readonly string[];
	bytes: number;
	fingerprint: string;
}

export class WarmCaches {
	readonly #folder: string;
	readonly #limit: number;
	readonly #known = new Map<string, Warm>();
	#loaded: Promise<void> | null = null;

	/** @param limit how many bytes all of them may take; 0: none is kept */
	constructor(folder: string, limit: number) {
		this.#folder = folder;
		this.#limit = limit;
	}

	/** The contents that are here. */
	async contents(): Promise<string[]> {
		await this.#load();
		return [...this.#known.keys()];
	}

	/**
	 * Copies a content into a folder that does not exist yet.
	 * @returns its roots; null if it is not here, or is not what it was
	 */
	async copyTo(content: string, folder: string, signal: AbortSignal): Promise<readonly string[] | null> {
		try {
			await this.#load();
			const warm = this.#known.get(content);
			if (!warm) return null;
			warm.readers += 1;
			return await this.#copy(content, warm, folder, signal).finally(() => {
				warm.readers -= 1;
			});
		} catch (error) {
			signal.throwIfAborted();
			await this.#forget(content, `cannot be read: ${(error as Error).message}`);
			await removeFolder(folder);
			return null;
		}
	}

	async #copy(content: string, warm: Warm, folder: string, signal: AbortSignal): Promise<readonly string[] | null> {
		// Two jobs at once wait for one reading: it changes the times of the files, and so the fingerprint.
		warm.fingerprint ??= this.#fingerprintOf(content, warm);
		const fingerprint = await Promise.race([warm.fingerprint, abortOf(signal)]);
		if (fingerprint === null || !(await copyUnchanged(this.#treeOf(content), folder, fingerprint, signal))) {
			await this.#forget(content, "was changed");
			return null;
		}
		warm.usedAt = Date.now();
		await utimes(this.#descriptionOf(content), new Date(), new Date());
		return warm.roots;
	}

	async #forget(content: string, why: string): Promise<void> {
		log("warn", `A cache in ${this.#placeOf(content)} ${why}. The agent removes it.`);
		await this.#remove(content).catch((error) => log("warn", `The agent cannot remove ${this.#placeOf(content)}: ${error}`));
	}

	/** Keeps a folder as a content; it is gone afterwards in any case. */
	async keep(kept: WarmContent, folder: string): Promise<void> {
		await this.#load();
		if (!this.#hasRoom(kept)) return removeFolder(folder);
		await mkdir(this.#placeOf(kept.content), { recursive: true, mode: 0o700 });
		await rename(folder, this.#treeOf(kept.content));
		await this.#add(kept);
	}

	/** Keeps a copy of a folder as a content. */
	async keepCopy(kept: Omit<WarmContent, "fingerprint">, folder: string, signal: AbortSignal): Promise<void> {
		await this.#load();
		if (!this.#hasRoom(kept)) return;
		const place = path.join(this.#folder, randomUUID());
		try {
			await mkdir(place, { mode: 0o700 });
			const fingerprint = await copyFolder(folder, path.join(place, "tree"), signal);
			// Another job may have brought it meanwhile.
			if (this.#known.has(kept.content)) return;
			await rename(place, this.#placeOf(kept.content));
			await this.#add({ ...kept, fingerprint });
		} finally {
			await removeFolder(place);
		}
	}

	#hasRoom({ content, bytes }: Pick<WarmContent, "content" | "bytes">): boolean {
		return bytes <= this.#limit && !this.#known.has(content);
	}

	async #add({ content, roots, bytes, fingerprint }: WarmContent): Promise<void> {
		const warm: Warm = { roots, bytes, usedAt: Date.now(), fingerprint: Promise.resolve(fingerprint), readers: 0 };
		const text = JSON.stringify({ roots: [...roots], bytes } satisfies z.infer<typeof description>);
		await writeFile(this.#descriptionOf(content), text, { mode: 0o600 });
		this.#known.set(content, warm);
		await this.#makeRoom();
	}

	async #makeRoom(): Promise<void> {
		const oldest = [...this.#known].sort(([, a], [, b]) => a.usedAt - b.usedAt);
		let total = oldest.reduce((sum, [, { bytes }]) => sum + bytes, 0);
		for (const [content, { bytes, readers }] of oldest) {
			if (total <= this.#limit) return;
			if (readers > 0) continue;
			total -= bytes;
			await this.#remove(content);
		}
	}

	async #remove(content: string): Promise<void> {
		this.#known.delete(content);
		await removeFolder(this.#placeOf(content));
	}

	/** The fingerprint of one of an earlier process, if its content is still the one of its name. */
	async #fingerprintOf(content: string, { roots }: Warm): Promise<string | null> {
		const read = await digestFolder(this.#treeOf(content), roots, NEVER);
		return read.content === content ? read.fingerprint : null;
	}

	#load(): Promise<void> {
		this.#loaded ??= this.#readAll().catch((error) => {
			this.#loaded = null;
			throw error;
		});
		return this.#loaded;
	}

	/** Reads the descriptions; what has none was cut off while it was moved here. */
	async #readAll(): Promise<void> {
		await mkdir(this.#folder, { recursive: true, mode: 0o700 });
		for (const content of await readdir(this.#folder)) {
			const described = await this.#described(content).catch(() => null);
			if (described) this.#known.set(content, { ...described, fingerprint: null, readers: 0 });
			else await removeFolder(this.#placeOf(content));
		}
		await this.#makeRoom();
	}

	async #described(content: string): Promise<Pick<Warm, "roots" | "bytes" | "usedAt">> {
		const file = this.#descriptionOf(content);
		const [text, { mtimeMs }] = await Promise.all([readFile(file, "utf8"), stat(file)]);
		return { ...description.parse(JSON.parse(text)), usedAt: mtimeMs };
	}

	#placeOf(content: string): string {
		return path.join(this.#folder, content);
	}

	#treeOf(content: string): string {
		return path.join(this.#placeOf(content), "tree");
	}

	#descriptionOf(content: string): string {
		return path.join(this.#placeOf(content), "description.json");
	}
}
