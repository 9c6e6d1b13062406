/** Files in which a step writes names and values: `$CI_OUTPUT` and `$CI_ENV`. */

/** A line that is neither a value nor the beginning of one. */
export class InvalidLine extends Error {
	override name = "InvalidLine";

	constructor(index: number, why: string) {
		super(`Line ${index + 1} ${why}`);
	}
}

/**
 * Reads `name=value` on a line, or `name<<END`, lines, `END`. The last value of a name counts.
 * @param nameError why a name cannot be used; null if it can
 * @throws InvalidLine
 */
export function readNameValues(text: string, nameError: (name: string) => string | null): Map<string, string> {
	const found = new Map<string, string>();
	const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
	for (let index = 0; index < lines.length; index += 1) {
		const line = lines[index] as string;
		if (line.trim() === "") continue;
		const [, name, mark, rest] = /^([^=<\s]+)(=|<<)([\s\S]*)$/.exec(line) ?? [];
		if (name === undefined || rest === undefined) throw new InvalidLine(index, "is neither name=value nor name<<END.");
		const error = nameError(name);
		if (error !== null) throw new InvalidLine(index, `has the name ${JSON.stringify(name.slice(0, 100))}. ${error}`);
		if (mark === "=") {
			found.set(name, rest);
			continue;
		}
		const end = lines.indexOf(rest, index + 1);
		if (rest === "" || end === -1) throw new InvalidLine(index, `is never ended: no line is ${JSON.stringify(rest)}.`);
		found.set(name, lines.slice(index + 1, end).join("\n"));
		index = end;
	}
	return found;
}
