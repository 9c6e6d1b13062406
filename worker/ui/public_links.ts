import { options, type VNode } from "preact";
import { publicLink } from "../http/public_path.ts";

/** Components write links to paths of the coordinator; the path of --public-url is put before each. Imported by whatever renders. */

const LINKS = ["href", "action", "src"];

const before = options.vnode;
options.vnode = (node: VNode) => {
	if (typeof node.type === "string") {
		const props = node.props as Record<string, unknown>;
		for (const name of LINKS) if (typeof props[name] === "string") props[name] = publicLink(props[name]);
	}
	before?.(node);
};
