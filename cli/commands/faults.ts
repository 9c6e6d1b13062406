import type { FieldError } from "../../schema/wire/errors.ts";
import { paint } from "../terminal.ts";

/** Faults of a text, each with its line and a mark under the place. */
export function showFaults(file: string, text: string, faults: readonly FieldError[]): string {
	const lines = text.split("\n");
	return faults
		.map(({ path, line, column, message, suggestion }) => {
			const place = line === null ? file : `${file}:${line}:${column}`;
			const head = `${paint("bold", place)}: ${paint("red", "error")}: ${path ? `${path}: ` : ""}${message}`;
			const source = line === null ? undefined : lines[line - 1];
			const shown = source === undefined ? [] : excerpt(source, line as number, column ?? 1);
			const hint = suggestion === null ? [] : [`  ${paint("cyan", "hint")}: ${suggestion}`];
			return [head, ...shown, ...hint].join("\n");
		})
		.join("\n\n");
}

const MAX_SHOWN = 120;

function excerpt(source: string, line: number, column: number): string[] {
	const begin = Math.max(0, column - 1 - MAX_SHOWN / 2);
	const shown = source.slice(begin, begin + MAX_SHOWN).replaceAll("\t", " ");
	const number = String(line);
	return [
		`  ${paint("gray", `${number} |`)} ${shown}`,
		`  ${" ".repeat(number.length)} ${paint("gray", "|")} ${" ".repeat(column - 1 - begin)}${paint("red", "^")}`,
	];
}
