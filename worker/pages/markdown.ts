import MarkdownIt from "markdown-it";

/**
 * Markdown that a job has written, as HTML. HTML in it is text; links lead to http(s) and mail only, and open by themselves; pictures are shown as links, so
 * that no build can tell who looks at it.
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

export function renderMarkdown(text: string): string {
	return renderer.render(text);
}
