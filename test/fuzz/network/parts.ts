import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { bytesOf } from "../values/bytes.ts";
import { type NetworkProperty, networkProperty } from "./network_property.ts";
import type { Question } from "./target.ts";

/** The bytes of artifacts: they are taken where they are those that were announced, and nowhere else. */

const PARTS = { "{part}": 3, "{big_part}": 5 } as const;

const attempt = fc.record({
	part: fc.constantFrom<keyof typeof PARTS>("{part}", "{big_part}"),
	body: fc.oneof(fc.constantFrom("abc", "abcde", ""), fc.string({ maxLength: 8 })).map(bytesOf),
	digest: fc.constantFrom("right", "right", "other", "none", "upper", "short", "list"),
	method: fc.constantFrom("PUT", "PUT", "PUT", "PUT", "POST", "GET"),
});

function digestHeaders(digest: string, body: Uint8Array): Question["headers"] {
	const right = createHash("sha256").update(body).digest("hex");
	const values: Record<string, string> = {
		right,
		other: "0".repeat(64),
		upper: right.toUpperCase(),
		short: right.slice(1),
		list: `${right}, ${right}`,
	};
	const value = values[digest];
	return value === undefined ? [] : [["X-Content-SHA256", value]];
}

/** The small file was announced with its digest; of a part of a large one only the length is known before. */
const SMALL = "abc";

export const partProperties: NetworkProperty[] = [
	networkProperty(
		"a part is taken where it is what was announced",
		{ weight: 2, most: 5_000 },
		attempt,
		async (target, { part, body, digest, method }) => {
			const answer = await target.ask({ method, target: part, as: "anyone", headers: digestHeaders(digest, body), body });
			const isAnnounced = body.byteLength === PARTS[part] && (part === "{big_part}" || Buffer.from(body).toString() === SMALL);
			const wanted = method !== "PUT" ? 405 : isAnnounced && digest === "right" ? 201 : 422;
			assert.equal(answer?.status, wanted);
		},
	),
];
