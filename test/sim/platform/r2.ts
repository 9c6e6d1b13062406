import type { World } from "../world.ts";
import { NO_TROUBLE, type StoreTrouble, throughTrouble } from "./trouble.ts";

/** R2, as far as logs need it: whole objects, made only where there is none of that name. */
export class Bucket {
	readonly objects = new Map<string, Uint8Array>();
	readonly #world: World;
	trouble: StoreTrouble = NO_TROUBLE;

	constructor(world: World) {
		this.#world = world;
	}

	put(key: string, bytes: Uint8Array, options: { onlyIf?: { etagDoesNotMatch: string } } = {}): Promise<object | null> {
		const content = bytes.slice();
		return throughTrouble(this.#world, "R2", this.trouble, () => {
			if (options.onlyIf && this.objects.has(key)) return null;
			this.objects.set(key, content);
			return { size: content.byteLength };
		});
	}

	get(key: string): Promise<{ size: number; arrayBuffer(): Promise<Uint8Array> } | null> {
		return throughTrouble(this.#world, "R2", this.trouble, () => {
			const found = this.objects.get(key);
			return found ? { size: found.byteLength, arrayBuffer: async () => found.slice() } : null;
		});
	}

	head(key: string): Promise<{ size: number } | null> {
		return throughTrouble(this.#world, "R2", this.trouble, () => {
			const found = this.objects.get(key);
			return found ? { size: found.byteLength } : null;
		});
	}
}
