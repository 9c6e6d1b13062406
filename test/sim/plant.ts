import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import path from "node:path";
import { parseAst } from "vitest/node";
import type { PlantedBug } from "./planted_bugs.ts";

/**
 * Plants a bug where the syntax tree of a function has the sound code, however it is formatted. In a pattern `$name` stands for any
 * expression or statement and `$$name` for the rest of a list; the same name stands for the same code.
 */

interface Node {
	type: string;
	start: number;
	end: number;
	[field: string]: unknown;
}

/** What the names of a pattern stand for: source text. */
type Bindings = Map<string, string>;

/** A module of the product with a bug in it, as JavaScript. */
export interface PlantedModule {
	file: string;
	source: string;
}

/** @throws Error unless there is exactly one place for the bug */
export function plant(bug: PlantedBug): PlantedModule {
	const typed = readFileSync(path.resolve(import.meta.dirname, "../..", bug.file), "utf8");
	const source = stripTypeScriptTypes(typed);
	const functions = nodesOf(parse(source)).flatMap((node) => functionNamed(node, bug.in));
	const inside = functions.flatMap((body) => nodesOf(body));
	const edits = "sql" in bug ? editsOfText(source, inside, bug) : editsOfCode(source, inside, bug);
	const [edit] = edits;
	if (!edit || edits.length > 1)
		throw new Error(`the bug ${JSON.stringify(bug.name)} has ${edits.length} places in ${bug.in} of ${bug.file}; it needs one`);
	return { file: bug.file, source: source.slice(0, edit.start) + edit.text + source.slice(edit.end) };
}

interface Edit {
	start: number;
	end: number;
	text: string;
}

function editsOfCode(source: string, nodes: Node[], { sound, planted }: { sound: string; planted: string }): Edit[] {
	const pattern = patternOf(sound);
	return nodes.flatMap((node) => {
		const bindings: Bindings = new Map();
		if (!matches(pattern, node, source, bindings)) return [];
		const text = planted.replaceAll(/\$+\w+/g, (name) => bindings.get(name) ?? name);
		return [{ start: node.start, end: node.end, text }];
	});
}

/** White space in SQL says nothing. */
function editsOfText(source: string, nodes: Node[], { sql, planted }: { sql: string; planted: string }): Edit[] {
	const wanted = new RegExp(sql.replaceAll(/[^\w\s]/g, "\\$&").replaceAll(/\s+/g, "\\s+"), "g");
	const texts = nodes.filter(({ type, value }) => type === "TemplateElement" || (type === "Literal" && typeof value === "string"));
	return texts.flatMap(({ start, end }) =>
		[...source.slice(start, end).matchAll(wanted)].map(({ 0: found, index }) => ({
			start: start + index,
			end: start + index + found.length,
			text: planted,
		})),
	);
}

function parse(source: string): Node {
	return parseAst(source, { lang: "js" }) as unknown as Node;
}

/** One statement, or an expression where the text has no semicolon. */
function patternOf(text: string): Node {
	const [statement] = (parse(`function pattern() { ${text} }`).body as { body: { body: Node[] } }[])[0]?.body.body ?? [];
	if (!statement) throw new Error(`${text} is no pattern`);
	return text.endsWith(";") ? statement : (statement.expression as Node);
}

function isNode(value: unknown): value is Node {
	return typeof value === "object" && value !== null && typeof (value as Node).type === "string";
}

function nodesOf(node: Node): Node[] {
	const children = Object.values(node).flat().filter(isNode);
	return [node, ...children.flatMap(nodesOf)];
}

/** A function, a method, or a function that a constant holds. */
function functionNamed(node: Node, name: string): Node[] {
	const holder = (node.id ?? node.key) as Node | undefined;
	const body = node.type === "FunctionDeclaration" ? node : ((node.init ?? node.value) as Node | undefined);
	return holder?.name === name && /Function/.test(body?.type ?? "") ? [body as Node] : [];
}

function matches(pattern: unknown, found: unknown, source: string, bindings: Bindings): boolean {
	if (Array.isArray(pattern)) return Array.isArray(found) && listMatches(pattern, found, source, bindings);
	if (!isNode(pattern)) return pattern === found || (typeof pattern === "object" && typeof found === "object");
	if (!isNode(found)) return false;
	const name = nameIn(pattern);
	if (name !== null) return bind(name, source.slice(found.start, found.end), bindings);
	const isSame = pattern.type === found.type;
	return isSame && Object.keys(pattern).every((key) => isPlace(key) || matches(pattern[key], found[key], source, bindings));
}

function listMatches(pattern: unknown[], found: unknown[], source: string, bindings: Bindings): boolean {
	const last = pattern.at(-1);
	const rest = isNode(last) ? nameIn(last) : null;
	if (!rest?.startsWith("$$"))
		return pattern.length === found.length && pattern.every((one, index) => matches(one, found[index], source, bindings));
	const before = pattern.slice(0, -1);
	const [first, end] = [found[before.length] as Node | undefined, found.at(-1) as Node | undefined];
	if (!before.every((one, index) => matches(one, found[index], source, bindings))) return false;
	return bind(rest, first && end ? source.slice(first.start, end.end) : "", bindings);
}

/** The name that a pattern consists of. */
function nameIn({ type, name, expression }: Node): string | null {
	if (type === "ExpressionStatement") return nameIn(expression as Node);
	return type === "Identifier" && (name as string).startsWith("$") ? (name as string) : null;
}

function bind(name: string, text: string, bindings: Bindings): boolean {
	const known = bindings.get(name);
	bindings.set(name, known ?? text);
	return known === undefined || known === text;
}

/** Where a node stands, and how its text was written. */
function isPlace(key: string): boolean {
	return key === "start" || key === "end" || key === "raw" || key === "range" || key === "loc";
}
