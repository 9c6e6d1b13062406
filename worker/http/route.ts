import type * as z from "zod";
import type { Environment } from "../bindings.ts";
import type { Client } from "../identity/client_address.ts";
import type { Principal, PrincipalKind } from "../identity/principal.ts";
import type { Claim } from "../identity/wrong_credentials.ts";
import type { Parameters, ValuesOf } from "./parameters.ts";

/**
 * One declaration per route: its address, who may call it, what it takes, what it answers, and its handler. Routing, 405, validation,
 * the OpenAPI document, the table of the docs and the tests of who may call what are all made of these declarations.
 */

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

/** What a handler gets: the context, the values of the query, and the body, which is read and checked when it is asked for. */
type Handled<Kind extends PrincipalKind, Query extends Parameters, Body extends z.ZodType> = RequestContext<Kind> &
	Queried<Query> &
	Bodied<Body>;

/** What the OpenAPI document says of a route. */
export interface Description {
	summary: string;
	/** Request headers that do something. */
	headers?: Record<string, string>;
	/** What is sent where it is not the JSON of `body`: by media type. */
	content?: Record<string, string>;
	/** By status: a schema for JSON, a media type for everything else, null for nothing. */
	answers: Record<number, z.ZodType | string | null>;
}

interface Declaration<Kind extends PrincipalKind, Query extends Parameters, Body extends z.ZodType> {
	method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
	path: string;
	/** Of `anyone` alone: every caller comes as that, whatever credentials are sent along. */
	allow: readonly Kind[];
	/** Pages are for browsers and have none. */
	description?: Description;
	/** What may stand in the query; without it, nothing. */
	query?: Query;
	/** Whether other parameters are ignored, as those are that people and forges add to an address; otherwise they are errors. */
	ignoresUnknown?: boolean;
	body?: Body;
	/** What the request itself claims to be, where its body or its address is the credential: counted when it is wrong. */
	claims?: (pathname: string) => Claim;
	handle: (context: Handled<Kind, Query, Body>) => Promise<Response> | Response;
}

/** A declared route as the shell (worker/index.ts) sees it: it alone calls `handle`, with a principal of a kind in `allow`. */
export interface Route extends Omit<Declaration<PrincipalKind, Parameters, z.ZodType>, "handle"> {
	handle: (context: never) => Promise<Response> | Response;
}

/** What a handler that stands by itself adds to its context: the values of these parameters. */
export interface Queried<Query extends Parameters> {
	query: ValuesOf<Query>;
}

/** The same for a body of this shape. */
export interface Bodied<Body extends z.ZodType> {
	/** @throws ApiError `too_large`, `malformed`, `validation_failed` */
	readBody(): Promise<z.infer<Body>>;
}

type NoParameters = Record<never, never>;

/** Declares a route; its handler sees only the principals that are allowed. */
export function route<Kind extends PrincipalKind, Query extends Parameters = NoParameters, Body extends z.ZodType = z.ZodNever>(
	declaration: Declaration<Kind, Query, Body>,
): Route {
	return declaration;
}

/** Declares a page: unknown parameters are ignored. */
export function pageRoute<Kind extends PrincipalKind, Query extends Parameters = NoParameters>(
	declaration: Omit<Declaration<Kind, Query, z.ZodNever>, "description" | "body" | "ignoresUnknown">,
): Route {
	return { ...declaration, ignoresUnknown: true };
}

/** Who is to be named for what a request does. */
export function actorOf(principal: Extract<Principal, { kind: "user" | "host" }>): string {
	return principal.kind === "user" ? principal.name : "the coordinator";
}
