import { options, type VNode } from "preact";
import { publicLink } from "../http/public_path.ts";

/** Adds the path of --public-url to links in components. Modules that render import this file. */

const LINKS = ["href", "action", "src"];

const before = options.vnode;
options.vnode = (node: VNode) => {
	if (typeof node.type === "string") {
		const props = node.props as Record<string, unknown>;
		for (const name of LINKS) if (typeof props[name] === "string") props[name] = publicLink(props[name]);
	}
	before?.(node);
};
