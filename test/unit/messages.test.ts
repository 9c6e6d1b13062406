import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");

/** Calls of the API as a person would type them. */
const CALL = /\bcurl -|\b(GET|POST|PUT|PATCH|DELETE) \/api\/|Authorization: Bearer \$/;
const COMMENT = /^\s*(\/\/|\/\*\*|\*)/;

function sources(): string[] {
	return ["worker", "agent", "cli", "schema"].flatMap((folder) =>
		readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
			.filter((name) => /\.(tsx?|m?js)$/.test(name))
			.map((name) => `${folder}/${name}`),
	);
}

test("no message asks a person to call the API where a page or a command does it", () => {
	const found = sources().flatMap((name) =>
		readFileSync(path.join(root, name), "utf8")
			.split("\n")
			.flatMap((line, index) => (CALL.test(line) && !COMMENT.test(line) ? [`${name}:${index + 1} ${line.trim()}`] : [])),
	);
	expect(found).toEqual([]);
});
