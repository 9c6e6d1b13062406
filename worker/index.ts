import { type IRequest, Router } from "itty-router";
import { ApiError } from "../schema/wire/errors.ts";
import type { Environment } from "./bindings.ts";
import { effectHandlers } from "./effect_handlers.ts";
import { errorAnswer } from "./http/answers.ts";
import { readJson } from "./http/bodies.ts";
import { clientDisconnected } from "./http/client_disconnect.ts";
import { compressedAnswer } from "./http/compressed_answer.ts";
import { readParameters, valuesOf } from "./http/parameters.ts";
import { publicLink, setPublicUrl, withoutPublicPath } from "./http/public_path.ts";
import type { RequestContext, Route } from "./http/route.ts";
import { clientOf } from "./identity/client_address.ts";
import { assertOwnOrigin } from "./identity/origin.ts";
import { claimedBy, identify, type Principal } from "./identity/principal.ts";
import { endedSessionCookie, showsSession } from "./identity/session.ts";
import { countWrongCredential } from "./identity/wrong_credentials.ts";
import { errorFields, log, setLogLevel } from "./platform/logger.ts";
import { assertPrepared } from "./platform/prepared.ts";
import { assertMigrated } from "./platform/schema_version.ts";
import { QueueObject } from "./queue/dispatcher.ts";
import { routes } from "./routes.ts";
import { errorPage } from "./ui/error_page.tsx";

export { LogShard } from "./logs/log_shard.ts";
export { Sweeper } from "./retention/sweeper.ts";

/** The queue of a team, with what its side effects do. */
export class Dispatcher extends QueueObject {
	constructor(context: DurableObjectState, environment: Environment) {
		super(context, environment, effectHandlers);
	}
}

/** The shell of every request: who calls, which route, may they, and one place where errors become answers. */
export default {
	async fetch(sent, environment): Promise<Response> {
		setLogLevel(environment.LOG_LEVEL);
		setPublicUrl(environment.PUBLIC_URL);
		const requestId = crypto.randomUUID();
		const started = Date.now();
		let request: Request = sent;
		let response: Response;
		try {
			if (!URL.canParse(sent.url)) throw badAddress();
			request = withoutPublicPath(sent);
			response = await answer(request, environment, requestId);
		} catch (error) {
			const answered = isUnidentified(error) ? await counted(error, request, environment, requestId) : error;
			response = answerError(request, answered, requestId);
		}
		response.headers.set("X-Request-Id", requestId);
		const location = response.headers.get("Location");
		if (location !== null) response.headers.set("Location", publicLink(location));
		const { status } = response;
		const ms = Date.now() - started;
		log("debug", "request", () => ({ request_id: requestId, method: request.method, ...routeFields(request), status, ms }));
		return response;
	},
} satisfies ExportedHandler<Environment>;

const ANYONE = { kind: "anyone" } as const;

/** Says only that there is a process. */
const LIVENESS_PATH = "/healthz";

type Handle = (request: IRequest, environment: Environment, requestId: string) => Promise<Response>;

const router = Router<IRequest, [Environment, string], Response>();
/** The route that each handler of the router stands for. */
const routeOfHandler = new Map<unknown, Route>();
for (const one of routes) {
	const handler: Handle = (request, environment, requestId) => handle(one, request, environment, requestId);
	routeOfHandler.set(handler, one);
	router[one.method.toLowerCase() as "get"](one.path, handler);
}

async function answer(request: Request, environment: Environment, requestId: string): Promise<Response> {
	// HEAD is a GET whose body is not sent.
	const isHead = request.method === "HEAD";
	const found = await router.fetch(isHead ? new Request(request, { method: "GET" }) : request, environment, requestId);
	const response = found && (await compressedAnswer(request, found));
	if (response) return isHead ? new Response(null, response) : response;
	throw noRoute(request);
}

async function handle(one: Route, request: IRequest, environment: Environment, requestId: string): Promise<Response> {
	const url = new URL(request.url);
	if (one.path !== LIVENESS_PATH) await assertMigrated(environment.DB);
	// The host's own routes are what prepares it.
	if (one.path !== LIVENESS_PATH && !one.allow.every((kind) => kind === "host")) await assertPrepared(environment);
	// A forge may send credentials of its own to a hook; where everybody comes as nobody, they are not looked at.
	const isOpen = one.allow.every((kind) => kind === "anyone");
	const asked = request as unknown as Request;
	const client = clientOf(asked, environment);
	// As browsers write it: without the port that the scheme has anyway.
	const ownOrigin = client.scheme === null ? url.origin : new URL(`${client.scheme}//${url.host}`).origin;
	const baseUrl = (environment.PUBLIC_URL || ownOrigin).replace(/\/+$/, "");
	const ownOrigins = baseUrl === ownOrigin ? [ownOrigin] : [ownOrigin, new URL(baseUrl).origin];
	const principal = isOpen ? ANYONE : await identify(environment, asked, client, baseUrl.startsWith("https:"));
	authorise(one, principal, asked, ownOrigins);
	const context: RequestContext = {
		request: asked,
		url,
		params: Object.fromEntries(Object.entries(request.params ?? {}).map(([name, value]) => [name, decoded(value)])),
		principal,
		client,
		environment,
		requestId,
		baseUrl,
		ownOrigins,
	};
	const declared = one.query ?? {};
	const query = one.ignoresUnknown ? valuesOf(declared, url.searchParams) : readParameters(declared, url.searchParams);
	const { body } = one;
	const readBody = () => (body === undefined ? Promise.resolve(undefined) : readJson(asked, body));
	return one.handle({ ...context, query, readBody } as never);
}

function badAddress(): ApiError {
	return new ApiError("malformed", "The address and the Host header make no URL.", { suggestions: ["Check the Host header."] });
}

function decoded(part: string): string {
	try {
		return decodeURIComponent(part);
	} catch {
		throw new ApiError("malformed", "The address has a broken % escape.", { details: { part } });
	}
}

/** @throws ApiError `authentication_required` without a token, `forbidden` with one of a kind that is not allowed here */
function authorise(one: Route, principal: Principal, request: Request, ownOrigins: readonly string[]): void {
	if (!one.allow.includes(principal.kind)) {
		if (principal.kind === "anyone") {
			throw new ApiError("authentication_required", "This needs a token.", {
				suggestions: [
					"Sign in at /sign-in, or set WINDLASS_API_TOKEN for the windlass commands.",
					"The coordinator printed the admin token at its first start. windlass token reset-admin makes a new one.",
				],
				headers: { "WWW-Authenticate": "Bearer" },
			});
		}
		throw new ApiError("forbidden", `This is not for a token of kind ${principal.kind}.`, { details: { allowed: one.allow } });
	}
	const isBySession = principal.kind === "user" && principal.sessionId !== null;
	if (isBySession && one.method !== "GET") assertOwnOrigin(request, ownOrigins);
}

/** Whether an error says that a credential was wrong: missing ones are asked for with the same code. */
function isUnidentified(error: unknown): error is ApiError {
	return error instanceof ApiError && error.code === "authentication_required";
}

/** What is answered to a request without a valid credential: one that had a wrong one is counted. */
async function counted(error: ApiError, request: Request, environment: Environment, requestId: string): Promise<ApiError> {
	const route = routeOf(request);
	const claim = (await claimedBy(request)) ?? route?.claims?.(new URL(request.url).pathname);
	if (claim === undefined) return error;
	const client = clientOf(request, environment);
	const answered = await countWrongCredential(error, { client, claim, requestId, route: route?.path ?? "none" });
	// A browser whose session is over stops showing it.
	const scheme = environment.PUBLIC_URL || client.scheme || new URL(request.url).protocol;
	if (showsSession(request)) answered.headers["Set-Cookie"] = endedSessionCookie(scheme.startsWith("https:"));
	return answered;
}

/** 405 where the path exists with other methods, 404 otherwise. */
function noRoute(request: Request): ApiError {
	const { pathname } = new URL(request.url);
	const allowed = routesAt(pathname).map(({ method }) => method);
	if (allowed.length === 0) {
		return new ApiError("not_found", `There is nothing at ${pathname}.`, {
			suggestions: ["The API is under /api/v1; docs/reference/api.md lists it."],
		});
	}
	const methods = [...new Set(allowed.includes("GET") ? [...allowed, "HEAD"] : allowed)];
	return new ApiError("method_not_allowed", `${request.method} is not possible here.`, {
		details: { allowed: methods },
		suggestions: [`Possible: ${methods.join(", ")}`],
		headers: { Allow: methods.join(", ") },
	});
}

/**
 * Which route a request took, and the ids in its path. Not the path itself: that of a part holds a credential, and so may any query.
 */
function routeFields(request: Request): Record<string, string> {
	if (!URL.canParse(request.url)) return { route: "none" };
	const { pathname } = new URL(request.url);
	const ids = pathname.match(/\b(run|job|att|agt|src)_[0-9A-Z]{26}\b/g) ?? [];
	return { route: routeOf(request)?.path ?? "none", ...Object.fromEntries(ids.map((id) => [ID_FIELDS[id.slice(0, 3)] ?? "id", id])) };
}

function routeOf(request: Request): Route | undefined {
	return routesAt(new URL(request.url).pathname).find(({ method }) => method === request.method);
}

/** The routes at a path, whatever their methods, in the order of the router. */
function routesAt(pathname: string): Route[] {
	return router.routes.flatMap(([, pattern, [handler]]) => (pattern.test(pathname) ? (routeOfHandler.get(handler) ?? []) : []));
}

const ID_FIELDS: Record<string, string> = { run: "run", job: "job", att: "attempt", agt: "agent", src: "source" };

/** What went wrong, in words for people; what it was inside goes to the coordinator's own log only. */
function answerError(request: Request, error: unknown, requestId: string): Response {
	const known = error instanceof ApiError ? error : (clientDisconnected(error) ?? fault(error, requestId));
	const path = URL.canParse(request.url) ? new URL(request.url).pathname : "/api/";
	const wantsPage = /\btext\/html\b/.test(request.headers.get("Accept") ?? "") && !path.startsWith("/api/");
	return wantsPage ? errorPage(known, requestId) : errorAnswer(known, requestId);
}

function fault(error: unknown, requestId: string): ApiError {
	log("error", "request failed", { request_id: requestId, ...errorFields(error) });
	if ((error as { retryable?: boolean; overloaded?: boolean }).overloaded || (error as { retryable?: boolean }).retryable) {
		return new ApiError("unavailable", "The coordinator is restarting or overloaded.", {
			headers: { "Retry-After": "2" },
			suggestions: ["Try again in a moment."],
		});
	}
	return new ApiError("internal", "Something went wrong inside the coordinator.", {
		suggestions: [`Its log has the details under request id ${requestId}.`],
	});
}
