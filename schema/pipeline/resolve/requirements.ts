import type * as z from "zod";
import { label } from "../../wire/labels.ts";
import type { Requirements } from "../../wire/requirements.ts";
import type { Scope } from "../expressions/scope.ts";
import { needsValue } from "../expressions/template.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { FILLED_REQUIREMENTS, type RequirementsText, toolRange } from "../validate/requirements.ts";
import { isTemplate } from "../validate/values.ts";
import type { TemplateFiller } from "./template_filler.ts";

/** The requirements of a job: values that an expression gives are checked here. */
export function* resolvedRequirements(
	filler: TemplateFiller,
	text: RequirementsText,
	scope: Scope,
	path: string[],
): SlicedWork<Requirements> {
	const labels: string[] = [];
	for (const [index, one] of (text.labels ?? []).entries()) {
		const filled = yield* filler.fill(one, scope, [...path, String(index)]);
		const checked = label.safeParse(filled);
		if (!checked.success && !needsValue(one, scope))
			filler.addError([...path, String(index)], `${JSON.stringify(filled)}: ${checked.error.issues[0]?.message}`);
		labels.push(filled);
	}
	const values: Record<string, unknown> = {};
	for (const [key, schema] of Object.entries(FILLED_REQUIREMENTS)) {
		const value = yield* filledValue<string | number>(filler, schema, text[key as keyof typeof FILLED_REQUIREMENTS], scope, [...path, key]);
		if (value !== undefined) values[key] = value;
	}
	const tools = yield* resolvedTools(filler, text.tools, scope, [...path, "tools"]);
	return {
		labels: [...new Set(labels)].sort(),
		...(values as Pick<Requirements, keyof typeof FILLED_REQUIREMENTS>),
		...(text.container ? { container: true as const } : {}),
		...(Object.keys(tools).length > 0 ? { tools } : {}),
	};
}

/** Tools with their ranges of versions, in the order of their names. */
export function* resolvedTools(
	filler: TemplateFiller,
	text: Readonly<Record<string, string>> | undefined,
	scope: Scope,
	path: string[],
): SlicedWork<Record<string, string>> {
	const tools: Record<string, string> = {};
	for (const [name, range] of Object.entries(text ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))) {
		const filled = yield* filledValue<string>(filler, toolRange, range, scope, [...path, name]);
		if (filled !== undefined) tools[name] = filled;
	}
	return tools;
}

/**
 * A value; from an expression, filled in and checked. Undefined where it is not known yet, or
 * invalid.
 */
function* filledValue<Value>(
	filler: TemplateFiller,
	schema: z.ZodType<Value>,
	value: Value | string | undefined,
	scope: Scope,
	path: string[],
): SlicedWork<Value | undefined> {
	if (!isTemplate(value)) return value as Value | undefined;
	if (needsValue(value, scope)) return undefined;
	const filled = yield* filler.fill(value, scope, path);
	// The filler has recorded why it cannot be filled in.
	if (filled === value) return undefined;
	const checked = schema.safeParse(filled);
	if (checked.success) return checked.data;
	filler.addError(path, `${JSON.stringify(filled)}: ${checked.error.issues[0]?.message}`);
	return undefined;
}
