import { parseSource } from "../syntax/document.ts";
import { type IncludeText, includes, MAX_INCLUDES } from "../validate/composition_keys.ts";
import { isMap } from "../validate/read_values.ts";
import { type IncludePlace, placeKey, placeOf } from "./include_place.ts";

/** Which files a pipeline includes, for those who read them before it is validated. */

/** A file that was read, or why it could not be. */
export type ReadInclude = { place: IncludePlace } & ({ text: string } | { error: string; suggestion: string });

/**
 * Reads the files that pipelines include, and those that these include. Texts with errors include
 * nothing here: their validation says what is wrong.
 * @param read null: there is no such file
 */
export async function readIncludes(
	pipelines: readonly string[],
	read: (place: IncludePlace) => Promise<{ text: string } | { error: string; suggestion: string } | null>,
): Promise<ReadInclude[]> {
	const found = new Map<string, ReadInclude>();
	const waiting = pipelines.flatMap((text) => placesIn(text, null));
	for (let place = waiting.shift(); place && found.size < MAX_INCLUDES; place = waiting.shift()) {
		if (found.has(placeKey(place))) continue;
		const file = await read(place);
		if (file === null) continue;
		found.set(placeKey(place), { place, ...file });
		if ("text" in file) waiting.push(...placesIn(file.text, place));
	}
	return [...found.values()];
}

/** The files that a text includes. */
function placesIn(text: string, from: IncludePlace | null): IncludePlace[] {
	if (!/^\s*["']?include["']?\s*:|["']include["']/m.test(text)) return [];
	try {
		const { value } = parseSource(text);
		const list = isMap(value) ? includes.safeParse(value.include).data : null;
		return ((list ?? []) as IncludeText[]).map((item) => placeOf(item, from));
	} catch {
		return [];
	}
}
