import type { Environment } from "../bindings.ts";
import type { Client } from "../identity/client_address.ts";
import type { Principal, PrincipalKind } from "../identity/principal.ts";
import type { Claim } from "../identity/wrong_credentials.ts";

/** One request on its way: who, what, and what it needs for an answer. */
export interface RequestContext<Kind extends PrincipalKind = PrincipalKind> {
	request: Request;
	url: URL;
	/** The parts of the path that the route names, decoded. */
	params: Record<string, string>;
	principal: Extract<Principal, { kind: Kind }>;
	client: Client;
	environment: Environment;
	requestId: string;
	/** The address that links begin with, without a slash at the end. */
	baseUrl: string;
	/** The origins by which a browser may call this coordinator. */
	ownOrigins: readonly string[];
}

/** A request of which it does not matter who makes it. */
export type AnonymousContext = Omit<RequestContext, "principal">;

/** One route: who may call it is part of it. */
export interface Route {
	method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
	path: string;
	/** Of `anyone` alone: whoever comes, comes as that, whatever credentials are sent along. */
	allow: readonly PrincipalKind[];
	/** What the request itself claims to be, where its body or its address is the credential: counted when it is wrong. */
	claims?: (pathname: string) => Claim;
	/** Called by the shell alone, with a principal of one of the kinds in `allow` (worker/index.ts). */
	handle: (context: never) => Promise<Response> | Response;
}

/** Who is to be named for what a request does. */
export function actorOf(principal: Extract<Principal, { kind: "user" | "host" }>): string {
	return principal.kind === "user" ? principal.name : "the coordinator";
}

/** Declares a route; its handler sees only the principals that are allowed. */
export function route<Kind extends PrincipalKind>(
	method: Route["method"],
	path: string,
	allow: readonly Kind[],
	handle: (context: RequestContext<Kind>) => Promise<Response> | Response,
	options: Pick<Route, "claims"> = {},
): Route {
	return { method, path, allow, handle, ...options };
}
