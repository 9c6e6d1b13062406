import { type ComponentChildren, h, options, type VNode } from "preact";

/**
 * Isolates text directions. Names from users may contain right-to-left letters or direction marks
 * that reorder the text around them: `main[U+202E]gpj.exe`.
 * Each such text gets its own <bdi> (Unicode UAX #9; https://trojansource.codes). Modules that
 * render import this file; there is nothing to call.
 */

/** Right-to-left letters and direction marks. */
const TURNING = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc]/;
/** Marks that embed, override and isolate. */
const MARKS = /[\u202a-\u202e\u2066-\u2069]/g;
const REPLACEMENT = "\ufffd";

/** Elements without child elements: the marks themselves are replaced. */
const PLAIN = new Set(["title", "option", "text", "tspan"]);
/** Elements whose text is not a name, or is sent back unchanged. */
const LEFT_ALONE = new Set(["bdi", "textarea", "script", "style"]);
/** Visible attributes. */
const SHOWN = ["title", "alt", "aria-label", "placeholder"];

type Props = Record<string, unknown> & { children?: ComponentChildren };

const before = options.vnode;
options.vnode = (node: VNode) => {
	if (typeof node.type === "string" && !LEFT_ALONE.has(node.type)) isolate(node.type, node.props as Props);
	before?.(node);
};

function isolate(type: string, props: Props): void {
	for (const name of SHOWN) if (typeof props[name] === "string") props[name] = withoutMarks(props[name]);
	const { children } = props;
	if (Array.isArray(children)) props.children = children.map((child) => isolated(type, child));
	else if (children !== undefined) props.children = isolated(type, children);
}

function isolated(type: string, child: ComponentChildren): ComponentChildren {
	if (Array.isArray(child)) return child.map((inner) => isolated(type, inner));
	if (typeof child !== "string" || !TURNING.test(child)) return child;
	return PLAIN.has(type) ? withoutMarks(child) : h("bdi", null, child);
}

function withoutMarks(text: string): string {
	return text.replace(MARKS, REPLACEMENT);
}
