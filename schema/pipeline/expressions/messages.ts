/** The messages of the CEL library as sentences of ours. */

const LIMIT_MESSAGES: Readonly<Record<string, (limit: string) => string>> = {
	maxAstNodes: (limit) => `An expression has at most ${limit} parts.`,
	maxDepth: (limit) => `An expression is nested at most ${limit} levels deep.`,
	maxListElements: (limit) => `A list in an expression has at most ${limit} elements.`,
	maxMapEntries: () => "Expressions have no maps.",
	maxCallArguments: (limit) => `A function takes at most ${limit} arguments.`,
};

export function plainMessage(summary: string): string {
	const limit = /^exceeded (\w+) \((\d+)\)/i.exec(summary);
	const known = LIMIT_MESSAGES[limit?.[1] ?? ""];
	if (known) return known(limit?.[2] ?? "");
	const overload = /^no such overload: (.*)$/is.exec(summary.replace(/^found /, ""));
	if (overload) return `The types do not fit together: ${overload[1]}.`;
	const sentence = summary.replace(/^found /, "").replace("Unexpected token: EOF", "The expression ends too early");
	return `${sentence.charAt(0).toUpperCase()}${sentence.slice(1).replace(/\.$/, "")}.`;
}
