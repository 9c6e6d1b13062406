import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { parseAst } from "vitest/node";

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

interface Node {
	type: string;
	start: number;
	end: number;
	[field: string]: unknown;
}

function nodesOf(node: Node): Node[] {
	const children = Object.values(node)
		.flat()
		.filter((value): value is Node => typeof value === "object" && value !== null && "type" in value);
	return [node, ...children.flatMap(nodesOf)];
}

test("every error of the API says what to do", () => {
	const created = sources()
		.filter((name) => /\.tsx?$/.test(name) && !name.endsWith(".d.ts"))
		.flatMap((name) => {
			const text = readFileSync(path.join(root, name), "utf8");
			if (!text.includes("new ApiError(")) return [];
			return nodesOf(parseAst(text, { lang: name.endsWith("x") ? "tsx" : "ts" }) as unknown as Node)
				.filter(({ type, callee }) => type === "NewExpression" && (callee as Node).name === "ApiError")
				.map((node) => ({ name, call: text.slice(node.start, node.end), options: (node.arguments as Node[])[2] }));
		});
	expect(created.length).toBeGreaterThan(100);
	// An identifier passes on the options of another error.
	const silent = created.filter(({ call, options }) => options?.type !== "Identifier" && !call.includes("suggestions"));
	expect(silent.map(({ name, call }) => `${name}: ${call}`)).toEqual([]);
});
