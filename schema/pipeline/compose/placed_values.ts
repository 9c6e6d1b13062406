import { ApiError } from "../../wire/errors.ts";
import { MAX_PIPELINE_NODES } from "../../wire/limits.ts";
import type { SourceDocument, SourcePlace } from "../syntax/document.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { isMap } from "../validate/read_values.ts";

/** Values of several texts that are put together, each with the place that it comes from. */

/** Where a value is written. */
export interface Origin {
	document: SourceDocument;
	path: readonly string[];
	/** The included file; null: the text itself. */
	file: string | null;
	/** The template that it is of. */
	via: string | null;
}

export interface Placed {
	value: unknown;
	origin: Origin;
}

/** A map that was put together → the origins of its values. */
const origins = new WeakMap<object, ReadonlyMap<string, Origin>>();

/** A member of a map, or an item of a list. */
export function memberOf({ value, origin }: Placed, name: string): Placed {
	const inner = typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
	const known = typeof value === "object" && value !== null ? origins.get(value)?.get(name) : undefined;
	if (!known) return { value: inner, origin: { ...origin, path: [...origin.path, name] } };
	return { value: inner, origin: { ...known, via: known.via ?? origin.via } };
}

/** A map of members. */
export function mapOf(members: readonly (readonly [name: string, Placed])[], origin: Origin): Placed {
	const value: Record<string, unknown> = Object.create(null);
	for (const [name, member] of members) value[name] = member.value;
	origins.set(value, new Map(members.map(([name, member]) => [name, member.origin])));
	return { value, origin };
}

/** The members of a map, without some. */
export function membersOf(map: Placed, isLeftOut: (name: string) => boolean = () => false): [name: string, Placed][] {
	return Object.keys(map.value as object).flatMap((name): [string, Placed][] => (isLeftOut(name) ? [] : [[name, memberOf(map, name)]]));
}

/** Puts maps together, up to as many values as a pipeline may have. */
export class Merger {
	#count = 0;

	/** Maps are merged, name by name; of everything else the second one stays. */
	*merge(base: Placed, over: Placed): SlicedWork<Placed> {
		if (!isMap(base.value) || !isMap(over.value)) return over;
		const members = new Map(membersOf(base));
		this.#count += members.size + Object.keys(over.value).length;
		if (this.#count > MAX_PIPELINE_NODES) {
			const message = `With its templates and included files, the pipeline has more than ${MAX_PIPELINE_NODES} keys.`;
			throw new ApiError("validation_failed", message, { details: { errors: [] }, suggestions: ["Use fewer or smaller templates."] });
		}
		yield 5 + members.size + Object.keys(over.value).length;
		for (const [name, member] of membersOf(over)) {
			const known = members.get(name);
			members.set(name, known ? yield* this.merge(known, member) : member);
		}
		return mapOf([...members], over.origin);
	}
}

/**
 * A document of values that were put together.
 * @param at the path of `root` in the document
 */
export function documentOf(root: Placed, at: readonly string[]): SourceDocument {
	const value = at.reduceRight<unknown>((inner, name) => ({ [name]: inner }), root.value);
	return {
		value,
		locate(path, key = false, character = null): SourcePlace | null {
			let placed = root;
			for (const part of path.slice(at.length)) placed = memberOf(placed, String(part));
			const { document, file, via, path: written } = placed.origin;
			const place = document.locate([...written], key, character);
			return place && { ...place, ...(file === null ? {} : { file }), ...(via === null ? {} : { via }) };
		},
	};
}
