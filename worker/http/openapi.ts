import * as z from "zod";
import * as deliveries from "../../schema/wire/deliveries.ts";
import { errorBody } from "../../schema/wire/errors.ts";
import { ACTIONS } from "../../schema/wire/permissions.ts";
import * as pipelines from "../../schema/wire/pipelines.ts";
import * as projects from "../../schema/wire/projects.ts";
import * as resources from "../../schema/wire/resources.ts";
import * as schedules from "../../schema/wire/schedules.ts";
import type { PrincipalKind } from "../identity/principal.ts";
import { VERSION } from "../platform/version.ts";
import { json } from "./answers.ts";
import type { AnonymousContext, Description, Route } from "./route.ts";

/** The OpenAPI document (3.1), generated from the schemas of requests and answers. */

/** Shapes with a name in the document. */
const NAMED: Record<string, z.ZodType> = {
	Error: errorBody,
	Run: resources.run,
	RunSummary: resources.runSummary,
	Job: resources.job,
	JobSummary: resources.jobSummary,
	Explanation: resources.explanation,
	Artifact: resources.artifact,
	Agent: resources.agent,
	Event: resources.event,
	UploadedSource: resources.uploadedSource,
	QueueState: resources.queueState,
	Project: projects.project,
	Delivery: deliveries.delivery,
	Schedule: schedules.schedule,
	StoredPipeline: pipelines.storedPipeline,
};

const TOKENS: Partial<Record<PrincipalKind, string>> = {
	user: "the token of a person",
	registration: "a registration token for new agents",
	agent: "the token of an agent",
	lease: "the token of a lease, part of an offer",
};

type Json = Record<string, unknown>;

/** The document of the routes that have a description. */
function openApi(routes: readonly Route[]): Json {
	const paths: Record<string, Json> = {};
	for (const route of routes) {
		if (!route.description) continue;
		const path = route.path.replace(/:(\w+)\+?/g, "{$1}");
		paths[path] = { ...paths[path], [route.method.toLowerCase()]: describe(route, route.description) };
	}
	return {
		openapi: "3.1.0",
		info: { title: "Windlass", version: VERSION, description: "A self-hosted CI and job coordinator." },
		paths,
		components: {
			schemas: Object.fromEntries(Object.entries(NAMED).map(([name, schema]) => [name, schemaOf(schema, "output", name)])),
			securitySchemes: Object.fromEntries(
				Object.entries(TOKENS).map(([kind, description]) => [kind, { type: "http", scheme: "bearer", description }]),
			),
		},
	};
}

function describe({ path, allow, action, query, body }: Route, { summary, headers, content, answers }: Description): Json {
	const isOpen = allow.includes("anyone");
	const parameters = [
		...[...path.matchAll(/:(\w+)\+?/g)].map(([, name]) => ({ name, in: "path", required: true, schema: { type: "string" } })),
		...Object.entries(query ?? {}).map(([name, { description, schema }]) => ({
			name,
			in: "query",
			description,
			schema: schemaOf(schema, "input"),
		})),
		...Object.entries(headers ?? {}).map(([name, description]) => ({ name, in: "header", description, schema: { type: "string" } })),
	];
	return {
		summary,
		...(action === undefined || isOpen ? {} : { "x-action": action, "x-role": ACTIONS[action].role }),
		security: isOpen ? [] : allow.filter((kind) => kind in TOKENS).map((kind) => ({ [kind]: [] })),
		...(parameters.length > 0 ? { parameters } : {}),
		...(body || content ? { requestBody: { content: { ...(body ? jsonOf(body) : {}), ...contentOf(content ?? {}) } } } : {}),
		responses: {
			...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, answerOf(answer)])),
			default: { description: "An error", content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } } },
		},
	};
}

function jsonOf(body: z.ZodType): Json {
	return { "application/json": { schema: schemaOf(body, "input") } };
}

function contentOf(content: NonNullable<Description["content"]>): Json {
	return Object.fromEntries(Object.entries(content).map(([type, description]) => [type, { schema: { description } }]));
}

function answerOf(answer: Description["answers"][number] | undefined): Json {
	if (answer === null || answer === undefined) return { description: "Done" };
	if (typeof answer === "string") return { description: "The bytes", content: answerContent(answer) };
	const several = Array.isArray(answer) ? answer : [answer];
	return { description: "The answer", content: Object.assign({}, ...several.map(answerContent)) };
}

function answerContent(answer: z.ZodType | string): Json {
	return typeof answer === "string"
		? { [answer]: { schema: { type: "string" } } }
		: { "application/json": { schema: schemaOf(answer, "output") } };
}

/** A schema in JSON Schema 2020-12, with references to the named shapes. */
function schemaOf(schema: z.ZodType, io: "input" | "output", self?: string): Json {
	const name = Object.entries(NAMED).find(([known, one]) => one === schema && known !== self)?.[0];
	if (name) return { $ref: `#/components/schemas/${name}` };
	const { $schema: _, ...result } = z.toJSONSchema(schema, {
		io,
		unrepresentable: "any",
		override: ({ zodSchema, jsonSchema }) => {
			const inner = Object.entries(NAMED).find(([known, one]) => (one as unknown) === zodSchema && known !== self)?.[0];
			if (!inner || (zodSchema as unknown) === schema) return;
			for (const key of Object.keys(jsonSchema)) delete (jsonSchema as Json)[key];
			jsonSchema.$ref = `#/components/schemas/${inner}`;
		},
	}) as Json;
	return result;
}

let document: Json | null = null;

/** GET /openapi.json, of all routes. */
export function openApiRoute(all: () => readonly Route[]) {
	return ({ baseUrl }: AnonymousContext): Response => {
		document ??= openApi(all());
		return json({ ...document, servers: [{ url: baseUrl }] });
	};
}
