import { readFile } from "node:fs/promises";
import path from "node:path";
import { commandSections } from "./commands.ts";
import { keySections } from "./keys.ts";
import { logFields } from "./log.ts";
import { actionLists } from "./permissions.ts";
import { errorCodes, reasonSections } from "./reasons.ts";
import { routeSections } from "./routes.ts";
import { agentSettings, coordinatorSettings } from "./settings.ts";

/** The parts of the documentation that come from the code. Each stands between two comments of a page; the rest is written by hand. */

const FOLDER = path.resolve(import.meta.dirname, "../reference");

/** By page and by the name in its comment. */
const PARTS: Record<string, Record<string, () => string | Promise<string>>> = {
	"../permissions.md": { actions: actionLists },
	"keys.md": { keys: keySections },
	"api.md": { routes: routeSections },
	"cli.md": { commands: commandSections },
	"log.md": { fields: logFields },
	"reasons.md": { reasons: reasonSections, errors: errorCodes },
	"settings.md": { coordinator: coordinatorSettings, agent: agentSettings },
};

export interface Page {
	file: string;
	/** What the file holds now. */
	text: string;
	/** What it has to hold. */
	generated: string;
}

/** @throws Error for a page without the comments of one of its parts */
export async function generatedPages(): Promise<Page[]> {
	return Promise.all(
		Object.entries(PARTS).map(async ([name, parts]) => {
			const file = path.join(FOLDER, name);
			const text = await readFile(file, "utf8");
			let generated = text;
			for (const [part, make] of Object.entries(parts)) generated = replacePart(generated, { name, part, content: await make() });
			return { file, text, generated };
		}),
	);
}

function replacePart(text: string, { name, part, content }: { name: string; part: string; content: string }): string {
	const begin = `<!-- begin ${part}: npm run reference writes this -->\n`;
	const end = `\n<!-- end ${part} -->`;
	const [before, rest] = split(text, begin);
	const [, after] = split(rest ?? "", end);
	if (before === undefined || after === undefined) throw new Error(`docs/reference/${name} has no comments for its part ${part}.`);
	return `${before}${begin}\n${content}\n${end}${after}`;
}

function split(text: string, mark: string): [string, string] | [undefined, undefined] {
	const at = text.indexOf(mark);
	return at === -1 ? [undefined, undefined] : [text.slice(0, at), text.slice(at + mark.length)];
}
