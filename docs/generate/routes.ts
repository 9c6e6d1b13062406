import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { escaped, paragraph, sentence } from "./markdown.ts";

/** The routes of the API, from the OpenAPI document that the Worker serves. */

const ROOT = path.resolve(import.meta.dirname, "../..");
/** Where every route of the Worker is listed. */
const ROUTES = "worker/routes.ts";
/** Stands for the platform's own module, which Node does not have. */
const PLATFORM = "test/sim/platform/cloudflare_workers.ts";
const API = "/api/v1/";

interface Schema {
	$ref?: string;
	type?: string;
	anyOf?: Schema[];
	properties?: Record<string, Schema>;
	required?: string[];
	description?: string;
}
interface Content {
	[type: string]: { schema: Schema };
}
interface Operation {
	summary: string;
	security: Record<string, never>[];
	"x-role"?: string;
	parameters?: { name: string; in: string; description?: string }[];
	requestBody?: { content: Content };
	responses: Record<string, { content?: Content }>;
}
interface OpenApi {
	paths: Record<string, Record<string, Operation>>;
}
type Route = [address: string, operation: Operation];

/** The sections of `reference/api.md`: a section for each first part of the path, in the order of the document. */
export async function routeSections(): Promise<string> {
	const { paths } = await openApiDocument();
	const routes = Object.entries(paths).flatMap(([address, operations]) =>
		Object.entries(operations).map(([method, operation]): Route => [`${method.toUpperCase()} ${address}`, operation]),
	);
	const groups = Map.groupBy(routes, ([address, { security }]) => groupOf(address, security));
	return [...groups].map(([group, own]) => [`### ${group}`, "", ...own.map(routeText)].join("\n")).join("\n\n");
}

/** The first part of the path; what agents call is apart from what people call. */
function groupOf(address: string, security: Operation["security"]): string {
	const [, rest = ""] = address.split(API);
	const [first = ""] = rest.split("/");
	if (security.length === 0) return "Without a token";
	return security.some((one) => "user" in one) ? first.replace(/^./, (letter) => letter.toUpperCase()) : "The agent protocol";
}

function routeText([address, operation]: Route): string {
	const { summary, security, "x-role": role, parameters = [], requestBody, responses } = operation;
	const kinds = security.map((one) => Object.keys(one)[0]);
	const token = kinds.length > 0 && !kinds.includes("user") ? ` Token: ${kinds.join(", ")}.` : "";
	const details = parameters
		.filter((parameter) => parameter.in !== "path")
		.map(({ name, in: place, description }) => {
			return paragraph(`${place} \`${name}\`: ${escaped(description ?? "")}`, "  - ");
		});
	if (requestBody) details.push(paragraph(bodyText(requestBody.content), "  - "));
	return [
		paragraph(
			`\`${address}\`: ${escaped(sentence(summary))}${token}${role === undefined ? "" : ` Role: ${role}.`} ${answersText(responses)}`,
			"- ",
		),
		...details,
	].join("\n");
}

function bodyText(content: Content): string {
	const forms = Object.entries(content).map(([type, { schema }]) => {
		const text = fieldsOf(schema) ?? schema.description;
		return `\`${type}\`${text ? `: ${escaped(text)}` : ""}`;
	});
	return `body ${forms.join("; ")}`;
}

/** The fields of a JSON body, as a sentence; null where it is no object. */
function fieldsOf({ properties, required = [] }: Schema): string | null {
	if (!properties) return null;
	const names = Object.keys(properties).map((name) => `\`${name}\`${required.includes(name) ? " (required)" : ""}`);
	return names.length > 0 ? names.join(", ") : "an empty object";
}

function answersText(responses: Operation["responses"]): string {
	const answers = Object.entries(responses)
		.filter(([status]) => status !== "default")
		.map(([status, { content }]) => {
			const [[type, { schema }] = ["", { schema: {} as Schema }]] = Object.entries(content ?? {});
			return `${status}${type === "" ? "" : ` ${answerName(type, schema)}`}`;
		});
	return `Answers: ${answers.join(", ")}.`;
}

/** The shape that has a name in the document, a page of such shapes, or the media type. */
function answerName(type: string, schema: Schema): string {
	const named = (one: Schema | undefined) => one?.$ref?.split("/").at(-1);
	const items = (schema.properties?.items as { items?: Schema } | undefined)?.items;
	if (named(schema)) return `\`${named(schema)}\``;
	if (named(items)) return `page of \`${named(items)}\``;
	return type === "application/json" ? "JSON" : `\`${type}\``;
}

/** The document, from the Worker's own routes. They are bundled, because Node itself reads neither JSX nor imports of style sheets. */
async function openApiDocument(): Promise<OpenApi> {
	const folder = await mkdtemp(path.join(ROOT, "node_modules/.windlass-reference-"));
	// A process that is ended meanwhile leaves nothing behind either.
	const removeFolder = () => rmSync(folder, { recursive: true, force: true });
	process.once("exit", removeFolder);
	try {
		const outfile = path.join(folder, "routes.mjs");
		await build({
			entryPoints: [path.join(ROOT, ROUTES)],
			outfile,
			bundle: true,
			platform: "node",
			format: "esm",
			packages: "external",
			jsx: "automatic",
			jsxImportSource: "preact",
			alias: { "cloudflare:workers": path.join(ROOT, PLATFORM) },
			loader: { ".css": "text", ".browser.js": "text" },
			logLevel: "error",
		});
		const { routes } = (await import(pathToFileURL(outfile).href)) as { routes: { path: string; handle(context: object): Response }[] };
		const route = routes.find((one) => one.path === "/openapi.json");
		if (!route) throw new Error(`${ROUTES} has no route /openapi.json.`);
		return (await route.handle({ baseUrl: "" }).json()) as OpenApi;
	} finally {
		process.removeListener("exit", removeFolder);
		await rm(folder, { recursive: true, force: true });
	}
}
