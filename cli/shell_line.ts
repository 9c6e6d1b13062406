import { quoted } from "../agent/processes/shell_quoting.ts";

/** A word that a shell takes without quotes. */
const PLAIN = /^[\w@%+:,./=-]+$/;

/**
 * A line for a shell. A single word is such a line already. Several words are quoted, so that the
 * command gets exactly these words.
 */
export function shellLine(words: readonly string[]): string {
	const [first = "", ...rest] = words;
	if (rest.length === 0) return first;
	// `A=b` in front of a command would set a variable.
	return [first.includes("=") ? quoted(first) : plainOrQuoted(first), ...rest.map(plainOrQuoted)].join(" ");
}

function plainOrQuoted(word: string): string {
	return PLAIN.test(word) ? word : quoted(word);
}
