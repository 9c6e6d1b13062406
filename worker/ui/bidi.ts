import { type ComponentChildren, h, options, type VNode } from "preact";

/**
 * Names that others have chosen may hold letters that are written from right to left, or marks that turn the direction of all that
 * follows: `main[U+202E]gpj.exe`. Each such text of a page stands in a <bdi> of its own, so that it cannot change how anything
 * beside it reads (Unicode UAX #9; https://trojansource.codes). Imported by whatever renders; nothing has to be called.
 */

/** Letters from right to left, and marks of direction. */
const TURNING = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc]/;
/** Marks that embed, override and isolate. */
const MARKS = /[\u202a-\u202e\u2066-\u2069]/g;
const REPLACEMENT = "\ufffd";

/** Elements in which no other element may stand: there the marks themselves are replaced. */
const PLAIN = new Set(["title", "option", "text", "tspan"]);
/** Elements whose text is not a name, or is sent back as it is. */
const LEFT_ALONE = new Set(["bdi", "textarea", "script", "style"]);
/** Attributes that are shown. */
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
