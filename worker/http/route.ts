import type * as z from "zod";
import type { Action } from "../../schema/wire/permissions.ts";
import type { RateClass } from "../../schema/wire/rate_limits.ts";
import type { Environment } from "../bindings.ts";
import type { Client } from "../identity/client_address.ts";
import type { Principal, PrincipalKind } from "../identity/principal.ts";
import type { Claim } from "../identity/wrong_credentials.ts";
import type { Parameters, ValuesOf } from "./parameters.ts";

/**
 * Routes: each declares its address, callers, parameters, answers and handler once. Routing,
 * validation, the OpenAPI document, the reference and tests of permissions use these declarations.
 */

/** Answers whether the process is up, without the database. */
export const LIVENESS_PATH = "/healthz";

/** A request with its principal and settings. */
export interface RequestContext<Kind extends PrincipalKind = PrincipalKind> {
	request: Request;
	url: URL;
	/** The named parts of the path, decoded. */
	params: Record<string, string>;
	principal: Extract<Principal, { kind: Kind }>;
	client: Client;
	environment: Environment;
	requestId: string;
	/** The base of links, without a slash at the end. */
	baseUrl: string;
	/** The origins by which a browser may call this coordinator. */
	ownOrigins: readonly string[];
	/** What the handler adds to the entry in the audit log. */
	noted: Record<string, string | null>;
	/** Whether the role of the caller may post to this path: pages leave out the forms that it may not. */
	mayPost(path: string): boolean;
}

/** A request whose principal does not matter. */
export type AnonymousContext = Omit<RequestContext, "principal">;

/**
 * The argument of a handler: the context, the query values, and a function that reads and validates
 * the body.
 */
type Handled<Kind extends PrincipalKind, Query extends Parameters, Body extends z.ZodType> = RequestContext<Kind> &
	Queried<Query> &
	Bodied<Body>;

/** The description of a route in the OpenAPI document. */
export interface Description {
	summary: string;
	/** The request headers that the route uses. */
	headers?: Record<string, string>;
	/** Bodies other than the JSON of `body`: by media type. */
	content?: Record<string, string>;
	/**
	 * By status: a schema for JSON, a media type for other bodies, null without a body; a list where
	 * the parameters decide.
	 */
	answers: Record<number, z.ZodType | string | null | readonly (z.ZodType | string)[]>;
}

interface Declaration<Kind extends PrincipalKind, Query extends Parameters, Body extends z.ZodType> {
	method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "PROPFIND" | "MKCOL";
	path: string;
	/** With `anyone` alone, every caller is anonymous and credentials are ignored. */
	allow: readonly Kind[];
	/** What a person does here: their role decides. Without it, and without `anyone`, no person gets in. */
	action?: Action;
	/**
	 * `body`: the handler itself checks the project against those of the token. Otherwise the address
	 * names the project, or a token for some projects does not get in.
	 */
	scope?: "body";
	/** Whether an operator does it in their own team, also while they act in another one. */
	isAtHome?: true;
	/** Whether who has not signed in may read it of a public project. */
	visitors?: true;
	/** Whether it may wait for something to happen: then its time says nothing. */
	waits?: true;
	/** What a request counts as; default: by its caller and method. Signed addresses of agents count as nothing. */
	limit?: RateClass | "none";
	/** Pages are for browsers and have none. */
	description?: Description;
	/** The query parameters; none without it. */
	query?: Query;
	/**
	 * Whether unknown parameters are ignored, because people and forges add some to URLs; else they
	 * are errors.
	 */
	ignoresUnknown?: boolean;
	body?: Body;
	/** The credential in the body or address, for counting wrong credentials. */
	claims?: (pathname: string) => Claim;
	handle: (context: Handled<Kind, Query, Body>) => Promise<Response> | Response;
}

/** A declared route for worker/index.ts, which calls `handle` only with a principal of `allow`. */
export interface Route extends Omit<Declaration<PrincipalKind, Parameters, z.ZodType>, "handle"> {
	handle: (context: never) => Promise<Response> | Response;
}

/** Adds parameter values to the context of a handler. */
export interface Queried<Query extends Parameters> {
	query: ValuesOf<Query>;
}

/** Adds a body of this shape to the context of a handler. */
export interface Bodied<Body extends z.ZodType> {
	/** @throws ApiError `too_large`, `malformed`, `validation_failed` */
	readBody(): Promise<z.infer<Body>>;
}

type NoParameters = Record<never, never>;

/** Declares a route; the types limit its handler to allowed principals. */
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

/** The actor of a request, by name. */
export function actorOf(principal: Extract<Principal, { kind: "user" | "host" }>): string {
	return principal.kind === "user" ? principal.name : "the coordinator";
}
