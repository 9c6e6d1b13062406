import * as fc from "fast-check";
import { hostileText } from "./texts.ts";

/** JSON that was right, with a few things in it that are not. */

interface JsonEdit {
	kind: "replace" | "remove" | "add" | "wrap" | "double";
	/** Which of all places in the value, counted through and around. */
	place: number;
	key: string;
	value: unknown;
}

const hostileNumber = fc.oneof(
	fc.constantFrom(-1, 0, 1, 0.5, -0.0001, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, -(2 ** 53), 1e21, 1e308, -1e308, 8.64e15),
	fc.integer(),
	fc.double({ noNaN: true, noDefaultInfinity: true }),
);

const hostileKey = fc.oneof(hostileText, fc.constantFrom("size", "path", "state", "number", "session", "name", "labels"));

export const hostileJson: fc.Arbitrary<unknown> = fc.oneof(
	fc.constantFrom(null, true, false, [], {}, [[]], [null], JSON.parse('{"__proto__":{"polluted":true}}'), nested(60), nested(500)),
	hostileNumber,
	hostileText,
	fc.constantFrom("90s", "1h", "100000000d", "9007199254740991ms", "0s", "1ms"),
	fc.array(fc.oneof(hostileText, hostileNumber), { maxLength: 6 }),
	fc.dictionary(hostileKey, fc.oneof(hostileText, hostileNumber), { maxKeys: 4 }),
);

function nested(depth: number): unknown {
	let value: unknown = 1;
	for (let level = 0; level < depth; level += 1) value = [value];
	return value;
}

const jsonEdit: fc.Arbitrary<JsonEdit> = fc.record({
	kind: fc.constantFrom("replace", "replace", "replace", "remove", "add", "wrap", "double"),
	place: fc.nat(200),
	key: hostileKey,
	value: hostileJson,
});

/** `valid` with up to three edits. */
export function editedJson(valid: unknown): fc.Arbitrary<unknown> {
	return fc.array(jsonEdit, { maxLength: 3 }).map((edits) => edits.reduce(withEdit, structuredClone(valid)));
}

type Place = { owner: Record<string, unknown> | unknown[]; key: string | number };

/** The places below a value, in a fixed order. */
function placesIn(value: unknown, places: Place[] = []): Place[] {
	if (value === null || typeof value !== "object" || places.length > 200) return places;
	for (const key of Array.isArray(value) ? value.keys() : Object.keys(value)) {
		const owner = value as Record<string, unknown> & unknown[];
		places.push({ owner, key });
		placesIn(owner[key as number], places);
	}
	return places;
}

function withEdit(value: unknown, { kind, place, key, value: other }: JsonEdit): unknown {
	const places = placesIn(value);
	const found = places[place % (places.length + 1)];
	if (!found) return kind === "wrap" ? [value] : kind === "replace" ? other : value;
	const owner = found.owner as Record<string | number, unknown>;
	const current = owner[found.key];
	if (kind === "replace") owner[found.key] = other;
	else if (kind === "wrap") owner[found.key] = [current];
	else if (kind === "double" && Array.isArray(current)) owner[found.key] = [...current, ...current];
	else if (kind === "add" && !Array.isArray(found.owner)) owner[key] = other;
	else if (Array.isArray(found.owner)) found.owner.splice(Number(found.key), 1);
	else delete owner[found.key];
	return value;
}
