import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { program } from "../../docs/generate/commands.ts";
import { anchorOf } from "../../docs/generate/markdown.ts";
import { lintPipeline } from "../../schema/pipeline/parse/lint.ts";
import { pipelineJsonSchema } from "../../schema/pipeline/validate/json_schema.ts";

/** What the documentation names is there: pages, headings, commands and options. Its pipelines are valid. */

const root = path.resolve(import.meta.dirname, "../..");
const PAGES = globSync(["*.md", "docs/**/*.md", "examples/**/*.md"], { cwd: root }).sort();
const COLUMNS = 100;
const CELL = 120;
/** In front of a block that is YAML and no pipeline. */
const NO_PIPELINE = "<!-- not a pipeline -->";

const textOf = (page: string) => readFileSync(path.join(root, page), "utf8");
const withoutCode = (text: string) => text.replace(/^ *```[\s\S]*?^ *```/gm, "").replace(/`[^`]*`/g, "");

interface Block {
	before: string;
	text: string;
}

/** The code blocks of a language, each with the line in front of it. */
function blocksOf(page: string, language: string): Block[] {
	const pattern = new RegExp(`([^\\n]*)\\n *\`\`\`${language}\\n([\\s\\S]*?)\\n *\`\`\``, "g");
	return [...textOf(page).matchAll(pattern)].map(([, before = "", text = ""]) => ({ before, text }));
}

/** The anchors of a page, as GitHub makes them. */
function anchorsOf(page: string): string[] {
	return [...textOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => anchorOf(heading));
}

describe.each(PAGES)("%s", (page) => {
	test("links to pages, files and headings that are there", () => {
		const links = [...withoutCode(textOf(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
		const broken = links.filter((link) => {
			if (/^[a-z]+:/.test(link)) return false;
			const [file = "", anchor] = link.split("#");
			const target = file === "" ? page : path.join(path.dirname(page), file);
			if (!existsSync(path.join(root, target))) return true;
			return anchor !== undefined && !anchorsOf(target).includes(anchor);
		});
		expect(broken).toEqual([]);
	});

	test("has no long lines and no long cells", () => {
		const prose = textOf(page).replace(/^ *```[\s\S]*?^ *```/gm, "");
		const long = prose.split("\n").filter((line) => {
			if (line.startsWith("|")) return line.split(/(?<!\\)\|/).some((cell) => cell.trim().length > CELL);
			// A link or a code span cannot be broken.
			return (
				line.length > COLUMNS &&
				/\s/.test(
					line
						.trim()
						.replace(/^[-#] /, "")
						.replace(/\[[^\]]*\]\([^)]*\)|`[^`]*`/g, "x"),
				)
			);
		});
		expect(long).toEqual([]);
	});

	test("shows pipelines without an error", () => {
		for (const { before, text } of blocksOf(page, "yaml")) {
			if (before === NO_PIPELINE) continue;
			expect([text, lintPipeline(text).errors]).toEqual([text, []]);
		}
	});

	test("shows commands and options that are there", () => {
		for (const { text } of blocksOf(page, "sh")) {
			const lines = text.replaceAll("\\\n", " ").split("\n");
			for (const line of lines) for (const words of callsIn(line)) expect([line, unknownIn(words)]).toEqual([line, null]);
		}
	});
});

test("docs/coming-from.md names keys that are there", () => {
	const known = new Set<string>();
	JSON.stringify(pipelineJsonSchema(), (name, value) => {
		if (name === "properties") for (const key of Object.keys(value)) known.add(key);
		return value;
	});
	const rows = textOf("docs/coming-from.md")
		.split("\n")
		.filter((line) => line.startsWith("| ") && !/^\| (what|-+) /.test(line));
	const spans = rows.flatMap((row) => (row.split(" | ").at(-1) ?? "").match(/`[^`]+`/g) ?? []).map((span) => span.slice(1, -1));
	const keys = spans.filter((span) => /^[a-z_]+(\.[a-z_]+)*$/.test(span));
	expect(keys.length).toBeGreaterThan(30);
	expect(keys.filter((key) => key.split(".").some((part) => !known.has(part)))).toEqual([]);
});

/** The calls of `windlass` in a line of a shell, each as its words after the name. */
function callsIn(line: string): string[][] {
	const commands = line.replace(/(^|\s)#.*$/, "").split(/\$\(|\|\|?|&&|;/);
	return commands.flatMap((one) => {
		const [, rest] = /^\s*(?:npm run -s )?windlass( --)?(?:\s+|$)(?<rest>.*)$/.exec(one)?.slice(1) ?? [];
		return rest === undefined ? [] : [rest.match(/'[^']*'|"[^"]*"|[^\s)]+/g) ?? []];
	});
}

const whole: Command = await program();

/** What of a call the program does not know: a command or an option; null if it knows everything. */
function unknownIn(words: readonly string[]): string | null {
	let command = whole;
	const rest = [...words];
	while (command.commands.length > 0 && rest[0] !== undefined && !rest[0].startsWith("-")) {
		const found = command.commands.find((one) => one.name() === rest[0] || one.aliases().includes(rest[0] ?? ""));
		if (!found) return rest[0];
		command = found;
		rest.shift();
	}
	for (const word of rest) {
		if (word === "--") return null;
		const [name = ""] = word.split("=");
		if (!/^--?[a-z]/i.test(name) || name === "--help" || name === "--version") continue;
		if (!command.options.some(({ long, short }) => long === name || short === name)) return name;
	}
	return null;
}
