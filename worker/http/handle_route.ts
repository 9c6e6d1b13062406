import { readJson } from "./bodies.ts";
import { readParameters, valuesOf } from "./parameters.ts";
import type { RequestContext, Route } from "./route.ts";

/**
 * Calls the handler of a route with what its declaration promises: the values of the query, and the
 * body when it asks for it.
 * @throws ApiError `validation_failed`, `malformed` for the query, and every error of the handler
 */
export function handleRoute(route: Route, context: RequestContext): Promise<Response> | Response {
	const { query: declared = {}, body, ignoresUnknown, handle } = route;
	const { searchParams } = context.url;
	const query = ignoresUnknown ? valuesOf(declared, searchParams) : readParameters(declared, searchParams);
	const readBody = () => (body === undefined ? Promise.resolve(undefined) : readJson(context.request, body));
	return handle(Object.assign(context, { query, readBody }) as never);
}
