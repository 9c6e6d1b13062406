import { describe, expect, test } from "vitest";
import { route } from "../../worker/http/route.ts";
import { RouteTable } from "../../worker/http/route_table.ts";

const declared = (method: "GET" | "POST", path: string) => route({ method, path, allow: ["user"], handle: () => new Response() });
const table = new RouteTable([
	declared("GET", "/"),
	declared("GET", "/agents"),
	declared("GET", "/agents/:id"),
	declared("GET", "/api/v1/agents"),
	declared("POST", "/api/v1/agents"),
	declared("POST", "/api/v1/agents/self/poll"),
	declared("GET", "/api/v1/jobs/:id/artifacts/:path+"),
	declared("GET", "/api/v1/jobs/:id/artifacts.zip"),
]);

describe("the table of routes", () => {
	test.each([
		["GET", "/", "/", {}],
		["GET", "/agents", "/agents", {}],
		["GET", "/agents/", "/agents", {}],
		["GET", "/agents/a%20b", "/agents/:id", { id: "a%20b" }],
		["GET", "/api/v1/agents//", "/api/v1/agents", {}],
		["POST", "/api/v1/agents/self/poll", "/api/v1/agents/self/poll", {}],
		["GET", "/api/v1/jobs/j/artifacts/a/b", "/api/v1/jobs/:id/artifacts/:path+", { id: "j", path: "a/b" }],
		["GET", "/api/v1/jobs/j/artifacts.zip", "/api/v1/jobs/:id/artifacts.zip", { id: "j" }],
	])("%s %s finds %s", (method, pathname, path, params) => {
		const found = table.find(method, pathname);
		expect([found?.entry.route.path, { ...found?.params }]).toEqual([path, params]);
	});

	test.each([
		["GET", "/agent"],
		["GET", "//agents"],
		["GET", "/api/v1/"],
		["GET", "/api/v1/jobs/j/artifactszip"],
		["DELETE", "/agents"],
		["POST", "/api/v1/agents/self"],
	])("%s %s finds nothing", (method, pathname) => {
		expect(table.find(method, pathname)).toBeUndefined();
	});

	test("names the methods of a path", () => {
		expect([table.methodsAt("/api/v1/agents/"), table.methodsAt("/nowhere")]).toEqual([["GET", "POST"], []]);
	});
});
