import MarkdownIt from "markdown-it";
import type { SlicedWork } from "../../schema/pipeline/syntax/sliced_work.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { withTurn } from "../platform/turns.ts";

/**
 * Renders Markdown of a job as HTML. HTML in it is shown as text, and links lead to http(s) and
 * mail only.
 * Images become links: a loaded image would reveal to its server who reads the page.
 */
const renderer = new MarkdownIt({ html: false, linkify: false, typographer: false, maxNesting: 50 });

renderer.validateLink = (url) => /^(https?:|mailto:|#|\/(?!\/))/i.test(url.trim());
renderer.renderer.rules.image = (tokens, index) => {
	const token = tokens[index];
	const source = String(token?.attrGet("src") ?? "");
	const text = renderer.utils.escapeHtml(token?.content || source);
	return `<a href="${renderer.utils.escapeHtml(source)}" rel="noreferrer noopener nofollow">${text}</a>`;
};
const openLink = renderer.renderer.rules.link_open;
renderer.renderer.rules.link_open = (tokens, index, options, environment, self) => {
	tokens[index]?.attrSet("rel", "noreferrer noopener nofollow");
	return openLink ? openLink(tokens, index, options, environment, self) : self.renderToken(tokens, index, options);
};

// The page allows no inline style: the alignment of a column becomes a class.
for (const rule of ["td_open", "th_open"] as const) {
	renderer.renderer.rules[rule] = (tokens, index, options, _, self) => {
		const token = tokens[index];
		const [, align] = /text-align:(\w+)/.exec(String(token?.attrGet("style") ?? "")) ?? [];
		if (token?.attrs) token.attrs = token.attrs.filter(([name]) => name !== "style");
		if (align) token?.attrJoin("class", align === "right" ? "n" : align);
		return self.renderToken(tokens, index, options);
	};
}

/** Longer texts are rendered in parts, because a job can write Markdown that renders slowly. */
const PART_CHARACTERS = 8 * 1024;
/** The maximum time to render a character, in units of a turn. */
const UNITS_OF_CHARACTER = 2;

/** The HTML of a summary; under load, its plain text. */
export async function renderSummary(text: string): Promise<string> {
	try {
		return await withTurn(renderingMarkdown(text), text.length);
	} catch (error) {
		if (!(error instanceof ApiError)) throw error;
		return `<pre>${renderer.utils.escapeHtml(text)}</pre>`;
	}
}

/** The HTML of a text. */
export function* renderingMarkdown(text: string): SlicedWork<string> {
	const parts: string[] = [];
	// The environment carries link references from one part to the next.
	const environment = {};
	for (const part of partsOf(text)) {
		yield part.length * UNITS_OF_CHARACTER;
		parts.push(accessible(renderer.render(part, environment)));
	}
	return parts.join("");
}

/** Code scrolls with the keyboard, too, and a heading without text is none. The library writes these texts, and escapes those of the job. */
function accessible(html: string): string {
	return html.replaceAll("<pre>", '<pre tabindex="0">').replaceAll(/<th( class="\w+")?><\/th>/g, "<td$1></td>");
}

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
/** A line that begins a new block, whatever is before it. */
const BEGINNING = /^[^\s>|*+\-\d=]/;

/**
 * Splits a text into parts, before a paragraph or heading where possible, anywhere else if a part
 * gets too long.
 */
function* partsOf(text: string): Generator<string> {
	if (text.length <= PART_CHARACTERS) return yield text;
	let part = "";
	let fence: string | null = null;
	let isAfterBlank = false;
	for (const line of text.split("\n")) {
		const isFull = part.length > PART_CHARACTERS && fence === null && isAfterBlank && BEGINNING.test(line);
		if (isFull || part.length > 2 * PART_CHARACTERS) {
			yield fence === null ? part : `${part}${fence}\n`;
			part = fence === null ? "" : `${fence}\n`;
		}
		const [, sign = null] = FENCE.exec(line) ?? [];
		if (fence === null) fence = sign;
		else if (sign?.startsWith(fence)) fence = null;
		isAfterBlank = line.trim() === "";
		for (let at = 0; at === 0 || at < line.length; at += PART_CHARACTERS) {
			if (at > 0) {
				yield part;
				part = "";
			}
			part += line.slice(at, at + PART_CHARACTERS);
		}
		part += "\n";
	}
	yield part;
}
