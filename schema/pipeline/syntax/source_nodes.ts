import type { Scalar } from "yaml";

/** The tree of a text: maps, lists and scalars with their offsets. */

export type SourceNode = SourceMap | SourceList | SourceAlias | Scalar;

/** A map as it is written. */
export interface SourceMap {
	kind: "map";
	offset: number;
	entries: { key: SourceNode | null; value: SourceNode | null }[];
}

export interface SourceList {
	kind: "list";
	offset: number;
	items: (SourceNode | null)[];
}

interface SourceAlias {
	kind: "alias";
	offset: number;
	/** Null for an unknown anchor. */
	target: SourceNode | null;
}

/** The name of a key. */
export function keyName(key: Scalar): string {
	return typeof key.source === "string" ? key.source : String(key.value);
}
