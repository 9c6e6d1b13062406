import { pipelineJsonSchema } from "../../schema/pipeline/validate/json_schema.ts";
import { anchorOf, paragraph } from "./markdown.ts";

/** The keys of the pipeline language, from the JSON Schema that editors get, and so from the schemas that validate a pipeline. */

interface Node {
	title?: string;
	description?: string;
	type?: string | string[];
	enum?: unknown[];
	const?: unknown;
	examples?: string[];
	minimum?: number;
	maximum?: number;
	maxItems?: number;
	anyOf?: Node[];
	items?: Node;
	required?: string[];
	properties?: Record<string, Node>;
	additionalProperties?: Node | boolean;
}

/** Keys that belong together: where they may stand, and what each takes. */
interface Section {
	places: string[];
	keys: Node;
}

/** The sections of `reference/keys.md`, in Markdown. */
export function keySections(): string {
	const pipeline = pipelineJsonSchema().anyOf as [Node, Node];
	const sections = new Map<string, Section>();
	collect(pipeline[0], "", sections);
	return [...sections.values()].map((section) => sectionText(section, sections)).join("\n\n");
}

/**
 * Finds all maps with keys of their own, from the outside inwards. Equal maps in two places are one
 * section.
 */
function collect(node: Node, place: string, sections: Map<string, Section>): void {
	for (const keys of mapsIn(node)) {
		if (!keys.properties) {
			if (typeof keys.additionalProperties === "object") collect(keys.additionalProperties, nameless(place), sections);
			continue;
		}
		const known = sections.get(identity(keys));
		if (known) {
			known.places.push(place);
			continue;
		}
		sections.set(identity(keys), { places: [place], keys });
		for (const [key, value] of Object.entries(keys.properties)) collect(value, place === "" ? key : `${place}.${key}`, sections);
		if (typeof keys.additionalProperties === "object") collect(keys.additionalProperties, nameless(place), sections);
	}
}

/** The maps that a value can be, or be a list of. */
function mapsIn({ anyOf, items, ...node }: Node): Node[] {
	if (anyOf) return anyOf.flatMap(mapsIn);
	if (items) return mapsIn(items);
	return node.type === "object" ? [node] : [];
}

/** A key whose name the author chooses. */
function nameless(place: string): string {
	return `${place}.<${(place.split(".").at(-1) ?? "").replace(/s$/, "")}>`;
}

function identity({ description: _, title: __, ...keys }: Node): string {
	return JSON.stringify(keys);
}

function sectionText({ places, keys }: Section, sections: Map<string, Section>): string {
	const items = Object.entries(keys.properties ?? {}).map(([key, node]) => {
		const isRequired = keys.required?.includes(key);
		return itemText(`\`${key}\`${isRequired ? " (required)" : ""}`, node, sections);
	});
	const { additionalProperties: other } = keys;
	if (typeof other === "object") items.push(itemText("any other name", other, sections));
	const [first = "", ...further] = places;
	const also =
		further.length > 0 ? [paragraph(`The same keys are valid in ${further.map((place) => `\`${place}\``).join(", ")}.`), ""] : [];
	return [`## ${headingOf(first)}`, "", ...also, ...items].join("\n");
}

function itemText(name: string, node: Node, sections: Map<string, Section>): string {
	return paragraph(`${name}: ${kindOf(node, sections)}. ${node.description ?? ""}`, "- ");
}

function headingOf(place: string): string {
	return place === "" ? "The pipeline" : `\`${place}\``;
}

/** A type that is also allowed in a list is described once. */
function eitherOf(forms: readonly Node[], sections: Map<string, Section>): string {
	const list = forms.find(({ items }) => items);
	const kinds = new Set(forms.filter((form) => form !== list).map((form) => kindOf(form, sections)));
	if (!list?.items) return [...kinds].join(", or ");
	const item = kindOf(list.items, sections);
	if (!kinds.delete(item)) return [...kinds, kindOf(list, sections)].join(", or ");
	return [...kinds, `${item}, alone or in a list${most(list)}`].join(", or ");
}

function most({ maxItems }: Node): string {
	return maxItems === undefined ? "" : ` (at most ${maxItems})`;
}

/** The kinds of a value, in words. */
function kindOf(node: Node, sections: Map<string, Section>): string {
	if (node.anyOf) return eitherOf(node.anyOf, sections);
	if (node.const !== undefined) return `\`${node.const}\``;
	if (node.enum) return node.enum.map((value) => `\`${value}\``).join(", ");
	if (node.title) return `${node.title}: ${(node.examples ?? []).map((example) => `\`${example}\``).join(", ")}`;
	if (node.items) return `a list of ${kindOf(node.items, sections)}${most(node)}`;
	if (node.type === "boolean") return "`true`, `false`";
	if (node.type === "integer") return `${node.minimum} to ${node.maximum}`;
	if (node.type !== "object") return "text";
	const section = sections.get(identity(node));
	if (section) return `[a map](#${anchorOf(headingOf(section.places[0] ?? ""))})`;
	return `a map of names to ${kindOf(node.additionalProperties as Node, sections)}`;
}
