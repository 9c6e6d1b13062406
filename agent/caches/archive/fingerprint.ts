import { createHash } from "node:crypto";
import { lstatSync, readdirSync } from "node:fs";

/**
 * A digest that changes with every change in a folder: of a file, its permissions, or its name. The
 * time of the last change of an inode cannot be set to a chosen value (inode(7)).
 */
export function fingerprintOf(folder: string): string {
	const hash = createHash("sha256");
	const add = (place: string) => {
		const { ino, size, mode, ctimeNs } = lstatSync(place, { bigint: true });
		hash.update(`${place.slice(folder.length)}\0${ino} ${size} ${mode} ${ctimeNs}\n`);
	};
	const addAll = (place: string) => {
		for (const entry of readdirSync(place, { withFileTypes: true })) {
			add(`${place}/${entry.name}`);
			if (entry.isDirectory()) addAll(`${place}/${entry.name}`);
		}
	};
	addAll(folder);
	return hash.digest("hex");
}
