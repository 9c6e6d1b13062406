import * as z from "zod";
import { pipelineOfJobs, pipelineOfSteps } from "./language.ts";
import { shorthands } from "./values.ts";

/** The language as JSON Schema, for editors: generated from the schemas that check a pipeline. */

type JsonSchema = Record<string, unknown>;

const DIALECT = "https://json-schema.org/draft/2020-12/schema";

/** The JSON Schema of `.windlass.yml`. */
export function pipelineJsonSchema(): JsonSchema {
	return {
		$schema: DIALECT,
		title: "Windlass pipeline",
		anyOf: [
			{ title: "a pipeline of jobs", ...formOf(pipelineOfJobs) },
			{ title: "a pipeline of one job", ...formOf(pipelineOfSteps) },
		],
	};
}

/** One of the forms that a value may have, as a part of a larger schema. */
function formOf(form: z.ZodType | JsonSchema): JsonSchema {
	if (!(form instanceof z.ZodType)) return form;
	const { $schema: _dialect, ...rest } = describe(form);
	return rest;
}

function describe(schema: z.ZodType): JsonSchema {
	return z.toJSONSchema(schema, {
		io: "input",
		unrepresentable: "any",
		override({ zodSchema, jsonSchema }) {
			// describe() makes a copy of the schema, with the schema as its parent.
			// The template of a job may have its steps; `lint` checks what the two make together.
			const { properties, required } = jsonSchema;
			if (properties && "extends" in properties && required?.includes("steps")) {
				jsonSchema.required = required.filter((key) => key !== "steps");
				Object.assign(jsonSchema, { if: { required: ["extends"] }, else: { required: ["steps"] } });
			}
			const shorthand = shorthands.get(zodSchema) ?? shorthands.get(zodSchema._zod.parent ?? {});
			if (!shorthand) return;
			const forms = [...(shorthand.inner ? [shorthand.inner] : []), ...(shorthand.also ?? [])].map(formOf);
			const { description } = jsonSchema;
			for (const key of Object.keys(jsonSchema)) delete (jsonSchema as JsonSchema)[key];
			Object.assign(jsonSchema, forms.length === 1 ? forms[0] : { anyOf: forms }, description === undefined ? {} : { description });
		},
	}) as JsonSchema;
}
