import { createRequire } from "node:module";

/** Parses YAML. The parser is loaded at its first use: most agents read no YAML file. */
export function parseYaml(text: string): unknown {
	const { parse }: typeof import("yaml") = createRequire(import.meta.url)("yaml");
	return parse(text);
}
