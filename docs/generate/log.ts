import type * as z from "zod";
import { LOG_FIELDS, logLine } from "../../schema/wire/log_line.ts";
import { paragraph } from "./markdown.ts";

/** The fields of the coordinator's log, from their schema. */

const HEADINGS: Record<keyof typeof LOG_FIELDS, string> = {
	subjects: "What a line is about",
	actors: "Who acted",
	events: "What happened",
	counts: "How many",
};

/** The fields, with a section for each kind. */
export function logFields(): string {
	const { time, level, message } = logLine.shape;
	const kinds = Object.keys(LOG_FIELDS) as (keyof typeof LOG_FIELDS)[];
	return [
		["## On every line", "", ...fieldList({ time, level, message })],
		...kinds.map((kind) => [`## ${HEADINGS[kind]}`, "", ...fieldList(LOG_FIELDS[kind])]),
	]
		.map((lines) => lines.join("\n"))
		.join("\n\n");
}

function fieldList(fields: Readonly<Record<string, z.ZodType>>): string[] {
	return Object.entries(fields).map(([name, field]) => paragraph(`\`${name}\`: ${field.description}`, "- "));
}
