import { Router } from "itty-router";
import { LIVENESS_PATH, type Route } from "./route.ts";

/**
 * Finds routes by path. itty-router compiles the patterns; an index by the first parts of the path
 * leaves a few of them to try for a request.
 */

/** A route, with what every request needs to know of it. */
export interface TableRoute {
	route: Route;
	pattern: RegExp;
	/** Whether it works before the database is migrated. */
	isLiveness: boolean;
	/** Whether only the host calls it: it works before the coordinator is prepared. */
	isOfHost: boolean;
	/** Whether every caller is anonymous. */
	isOpen: boolean;
}

export interface FoundRoute {
	entry: TableRoute;
	/** The named parts of the path, as they are written. */
	params: Readonly<Record<string, string>>;
}

export class RouteTable {
	readonly #byGroup = new Map<string, TableRoute[]>();

	constructor(routes: readonly Route[]) {
		const router = Router();
		for (const route of routes) {
			router[route.method.toLowerCase() as "get"](route.path, () => undefined);
			const [, pattern] = router.routes.at(-1) as (typeof router.routes)[number];
			const group = groupOf(route.path);
			this.#byGroup.set(group, [...(this.#byGroup.get(group) ?? []), entryOf(route, pattern)]);
		}
	}

	/** The first declared route of this method at this path. */
	find(method: string, pathname: string): FoundRoute | undefined {
		for (const entry of this.#byGroup.get(groupOf(pathname)) ?? []) {
			if (entry.route.method !== method) continue;
			const match = entry.pattern.exec(pathname);
			if (match) return { entry, params: match.groups ?? {} };
		}
		return undefined;
	}

	/** The methods at this path, in the order of their declaration. */
	methodsAt(pathname: string): string[] {
		const entries = this.#byGroup.get(groupOf(pathname)) ?? [];
		return entries.filter(({ pattern }) => pattern.test(pathname)).map(({ route }) => route.method);
	}
}

function entryOf(route: Route, pattern: RegExp): TableRoute {
	return {
		route,
		pattern,
		isLiveness: route.path === LIVENESS_PATH,
		isOfHost: route.allow.every((kind) => kind === "host"),
		isOpen: route.allow.every((kind) => kind === "anyone"),
	};
}

/** `/api/v1/runs` of `/api/v1/runs/:id/log`, and `/agents` of `/agents/:id`: no route names less. */
function groupOf(path: string): string {
	return /^\/(?:api\/v1\/)?[^/]*/.exec(path)?.[0] ?? "";
}
