import type { BundleEntry } from "../../../schema/wire/source_bundle.ts";

/**
 * A disk in memory that does whatever an archive says, as the most careless program would: it follows links, it overwrites, it
 * goes up where a name says so. What it touched outside of its root is what an archive could have done to a real one.
 */

interface Folder {
	kind: "folder";
	children: Map<string, Node>;
	parent: Folder | null;
}
type Node = Folder | { kind: "link"; target: string } | { kind: "file" };

const MOST_LINKS = 40;

export class NaiveDisk {
	readonly #outside: Folder = { kind: "folder", children: new Map(), parent: null };
	readonly #root: Folder = { kind: "folder", children: new Map(), parent: this.#outside };
	readonly #escapes: string[] = [];

	constructor() {
		this.#outside.children.set("root", this.#root);
	}

	/** What was written, linked or read outside of the root, and every link that leads there. */
	escapes(): string[] {
		this.#followAll(this.#root, "");
		return this.#escapes;
	}

	unpack({ name, type, linkname = "" }: BundleEntry): void {
		const parts = partsOf(name);
		const last = parts.pop();
		const folder = this.#folderAt(this.#root, parts, name);
		if (!folder || last === undefined) return;
		if (type === "directory") this.#folderAt(folder, [last], name);
		else if (type === "symlink") folder.children.set(last, { kind: "link", target: linkname });
		else if (type === "link") this.#hardLink(folder, last, linkname);
		else this.#write(folder, last, name);
	}

	#hardLink(folder: Folder, last: string, target: string): void {
		const found = this.#resolve(this.#root, partsOf(target), target, 0);
		if (found?.kind === "file") folder.children.set(last, found);
	}

	/** Writing goes through a link that is there already. */
	#write(folder: Folder, last: string, name: string): void {
		const known = folder.children.get(last);
		if (known?.kind === "link") this.#resolve(folder, partsOf(known.target), name, 0, known.target.startsWith("/"));
		else if (known?.kind !== "folder") folder.children.set(last, { kind: "file" });
	}

	/** The folder of these names, made where it is missing; null where something else is in the way. */
	#folderAt(from: Folder, parts: readonly string[], name: string): Folder | null {
		let folder = from;
		for (const part of parts) {
			if (part === "..") folder = this.#up(folder, name);
			else {
				const next = folder.children.get(part) ?? { kind: "folder", children: new Map(), parent: folder };
				folder.children.set(part, next);
				const found = next.kind === "link" ? this.#resolve(folder, partsOf(next.target), name, 0, next.target.startsWith("/")) : next;
				if (found?.kind !== "folder") return null;
				folder = found;
			}
		}
		return folder;
	}

	#up(folder: Folder, name: string): Folder {
		if (folder === this.#root) this.#escapes.push(name);
		return folder.parent ?? folder;
	}

	/** What a path leads to, links followed; null where it leads nowhere. */
	#resolve(from: Folder, parts: readonly string[], name: string, links: number, isAbsolute = false): Node | null {
		if (isAbsolute) this.#escapes.push(name);
		if (links > MOST_LINKS) return null;
		let node = (isAbsolute ? this.#outside : from) as Node;
		for (const part of parts) {
			if (node.kind !== "folder") return null;
			if (part === "..") {
				node = this.#up(node, name);
				continue;
			}
			const next: Node | undefined = node.children.get(part);
			if (!next) return null;
			const found: Node | null =
				next.kind === "link" ? this.#resolve(node, partsOf(next.target), name, links + 1, next.target.startsWith("/")) : next;
			if (!found) return null;
			node = found;
		}
		return node;
	}

	#followAll(folder: Folder, at: string): void {
		for (const [name, node] of folder.children) {
			if (node.kind === "link") this.#resolve(folder, partsOf(node.target), `${at}/${name}`, 0, node.target.startsWith("/"));
			else if (node.kind === "folder") this.#followAll(node, `${at}/${name}`);
		}
	}
}

function partsOf(path: string): string[] {
	return path.split("/").filter((part) => part !== "" && part !== ".");
}
