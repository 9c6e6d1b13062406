import * as z from "zod";
import { pipelineOfJobs, pipelineOfSteps } from "./language.ts";
import { shorthands } from "./values.ts";

/** The language as JSON Schema, for editors: made of the very schemas that check a pipeline. */

type JsonSchema = Record<string, unknown>;

const DIALECT = "https://json-schema.org/draft/2020-12/schema";

/** What editors are given for `.windlass.yml`. */
export function pipelineJsonSchema(): JsonSchema {
	const strip = (schema: z.ZodType) => {
		const { $schema: _dialect, ...rest } = describe(schema);
		return rest;
	};
	return {
		$schema: DIALECT,
		title: "Windlass pipeline",
		anyOf: [
			{ title: "a pipeline of jobs", ...strip(pipelineOfJobs) },
			{ title: "a pipeline of one job", ...strip(pipelineOfSteps) },
		],
	};
}

function describe(schema: z.ZodType): JsonSchema {
	return z.toJSONSchema(schema, {
		io: "input",
		unrepresentable: "any",
		override({ zodSchema, jsonSchema }) {
			const shorthand = shorthands.get(zodSchema);
			if (!shorthand) return;
			const { $schema: _dialect, ...inner } = shorthand.inner ? describe(shorthand.inner) : {};
			const forms = [...(shorthand.inner ? [inner] : []), ...(shorthand.also ?? [])];
			for (const key of Object.keys(jsonSchema)) delete (jsonSchema as JsonSchema)[key];
			Object.assign(jsonSchema, forms.length === 1 ? forms[0] : { anyOf: forms });
		},
	}) as JsonSchema;
}
