import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import * as z from "zod";
import type { CacheManifest, FoundCache, WantedCache } from "../../schema/wire/caches.ts";

/**
 * The caches of `windlass exec`, in a folder of this user. Each is a folder with its parts and a
 * description; the time of that file says when it was used last.
 */

/** How much they may take. */
const LIMIT_BYTES = 5 * 1024 ** 3;
/** A save that has not ended after this time never will. */
const INTERRUPTED_MS = 24 * 60 * 60_000;
/** Where the parts of a content are, in the addresses that the agent's code is given. */
const CONTENTS = "caches/contents/";
const SAVES = "caches/saves/";

const description = z.object({
	/** The working copy that it belongs to. */
	place: z.string(),
	key: z.string(),
	variant: z.string(),
	content: z.string(),
	parts: z.array(z.object({ sha256: z.string(), size: z.number() })),
	files: z.number(),
	unpacked_bytes: z.number(),
});
type Described = z.infer<typeof description> & { id: string; usedAt: number };

/** A cache that is being saved. */
type Saving = Pick<Described, "key" | "variant">;

export class LocalCaches {
	readonly #folder: string;
	readonly #place: string;
	readonly #saving = new Map<string, Saving>();

	/** @param place the working copy: other ones have other caches */
	constructor(folder: string, place: string) {
		this.#folder = folder;
		this.#place = place;
	}

	async find(wanted: readonly WantedCache[]): Promise<{ found: FoundCache | null; refused: null }[]> {
		const all = (await this.#all()).filter(({ place }) => place === this.#place).sort((a, b) => b.usedAt - a.usedAt);
		const answers: { found: FoundCache | null; refused: null }[] = [];
		for (const { key, restore_keys = [], variant } of wanted) {
			const known = all.filter((one) => one.variant === variant);
			const near = restore_keys.flatMap((prefix) => known.find((one) => one.key.startsWith(prefix)) ?? []);
			const found = known.find((one) => one.key === key) ?? near[0] ?? null;
			if (found) await utimes(this.#fileOf(found.id), new Date(), new Date());
			answers.push({ found: found && presented(found, key), refused: null });
		}
		return answers;
	}

	async startSaves(wanted: readonly WantedCache[]): Promise<{ url: string | null; refused: null }[]> {
		const all = await this.#all();
		return wanted.map(({ key, variant }) => {
			if (all.some((one) => one.place === this.#place && one.key === key && one.variant === variant)) return { url: null, refused: null };
			const id = randomUUID();
			this.#saving.set(id, { key, variant });
			return { url: SAVES + id, refused: null };
		});
	}

	/** Whether an address is one of these caches. */
	static serves(address: string): boolean {
		return address.startsWith(CONTENTS) || address.startsWith(SAVES);
	}

	async putPart(address: string, bytes: Uint8Array): Promise<void> {
		const [id = "", number = ""] = address.slice(SAVES.length).split("/");
		await mkdir(path.join(this.#folder, id), { recursive: true, mode: 0o700 });
		await writeFile(path.join(this.#folder, id, number), bytes, { mode: 0o600 });
	}

	async commit(address: string, manifest: CacheManifest): Promise<{ id: string; is_first: boolean }> {
		const id = address.slice(SAVES.length);
		const saving = this.#saving.get(id);
		if (!saving) throw new Error(`nothing is saved at ${address}`);
		await writeFile(this.#fileOf(id), JSON.stringify({ place: this.#place, ...saving, ...manifest } satisfies z.infer<typeof description>));
		await this.#makeRoom();
		return { id, is_first: true };
	}

	/** A part of a content, as a stream. */
	part(address: string) {
		const [id = "", number = ""] = address.slice(CONTENTS.length).split("/");
		return createReadStream(path.join(this.#folder, id, number));
	}

	/** Removes a damaged cache. */
	async remove(id: string): Promise<void> {
		await rm(path.join(this.#folder, id), { recursive: true, force: true });
	}

	async #all(): Promise<Described[]> {
		const ids = await readdir(this.#folder).catch(() => []);
		const read = await Promise.all(ids.map((id) => this.#read(id).catch(() => null)));
		return read.filter((one) => one !== null);
	}

	async #read(id: string): Promise<Described> {
		const [text, { mtimeMs }] = await Promise.all([readFile(this.#fileOf(id), "utf8"), stat(this.#fileOf(id))]);
		return { ...description.parse(JSON.parse(text)), id, usedAt: mtimeMs };
	}

	async #makeRoom(): Promise<void> {
		let total = 0;
		const all = await this.#all();
		for (const { id, parts } of all.toSorted((a, b) => b.usedAt - a.usedAt)) {
			total += parts.reduce((sum, { size }) => sum + size, 0);
			if (total > LIMIT_BYTES) await this.remove(id);
		}
		// Whose save was interrupted.
		const whole = new Set(all.map(({ id }) => id));
		for (const id of await readdir(this.#folder)) {
			if (whole.has(id)) continue;
			const { mtimeMs } = await stat(path.join(this.#folder, id));
			if (Date.now() - mtimeMs > INTERRUPTED_MS) await this.remove(id);
		}
	}

	#fileOf(id: string): string {
		return path.join(this.#folder, id, "description.json");
	}
}

function presented({ id, key, content, parts, files, unpacked_bytes }: Described, asked: string): FoundCache {
	return { id, key, is_exact: key === asked, content, parts, files, unpacked_bytes, url: CONTENTS + id };
}
