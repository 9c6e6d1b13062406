import { Document, isMap, type Pair, type Scalar, YAMLMap } from "yaml";
import { AmbiguousScalar, parseSource } from "../syntax/document.ts";
import { doneAtOnce } from "../syntax/sliced_work.ts";
import { composingValues } from "./compose.ts";
import type { IncludedTexts } from "./include_place.ts";
import { memberOf, type Placed } from "./placed_values.ts";

/**
 * A pipeline as it is after its includes and templates, in YAML, with a comment where a value is
 * not from the text itself.
 * @throws ApiError `malformed`, `validation_failed`
 */
export function composedText(text: string, included: IncludedTexts): string {
	const document = parseSource(text);
	const { root } = doneAtOnce(composingValues({ value: document.value, origin: { document, path: [], file: null, via: null } }, included));
	const written = new Document(plain(root.value), { compat: "yaml-1.1" });
	if (isMap(written.contents)) addOrigins(written.contents, root, "");
	return written.toString({ lineWidth: 0 });
}

/** Values as YAML writes them: the text of a scalar stays as its author wrote it. */
function plain(value: unknown): unknown {
	if (value instanceof AmbiguousScalar) return value.value;
	if (Array.isArray(value)) return value.map(plain);
	if (typeof value !== "object" || value === null) return value;
	return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}

/** @param outer the origin of the map, in words */
function addOrigins(map: YAMLMap, placed: Placed, outer: string): void {
	for (const pair of map.items as Pair<Scalar, unknown>[]) {
		const member = memberOf(placed, String(pair.key.value));
		const origin = originOf(member);
		if (origin !== outer) pair.key.commentBefore = ` ${origin === "" ? "from the file itself" : origin}`;
		if (pair.value instanceof YAMLMap) addOrigins(pair.value, member, origin);
	}
}

function originOf({ origin: { file, via } }: Placed): string {
	if (file === null && via === null) return "";
	return `from ${[via, file].filter((part) => part !== null).join(" of ")}`;
}
