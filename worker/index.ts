import { waitUntil } from "cloudflare:workers";
import { ApiError } from "../schema/wire/errors.ts";
import { may } from "../schema/wire/permissions.ts";
import { isAudited, recordRequest } from "./audit/service.ts";
import type { Environment } from "./bindings.ts";
import { effectHandlers } from "./effect_handlers.ts";
import { errorAnswer } from "./http/answers.ts";
import { clientDisconnected } from "./http/client_disconnect.ts";
import { compressedAnswer } from "./http/compressed_answer.ts";
import { openToOrigin, preflightAnswer } from "./http/cross_origin.ts";
import { handleRoute } from "./http/handle_route.ts";
import { publicLink, setPublicUrl, withoutPublicPath } from "./http/public_path.ts";
import type { RequestContext, Route } from "./http/route.ts";
import { type FoundRoute, RouteTable } from "./http/route_table.ts";
import { clientOf } from "./identity/client_address.ts";
import { claimedBy, identify, type Principal } from "./identity/principal.ts";
import { endedSessionCookie, showsSession } from "./identity/session.ts";
import { assertSetUp } from "./identity/set_up.ts";
import { isVisitor } from "./identity/visitors.ts";
import { countWrongCredential } from "./identity/wrong_credentials.ts";
import { countAnswer, flushIfDue } from "./metrics/service.ts";
import { admitVisitor } from "./permissions/admit_visitor.ts";
import { authorize } from "./permissions/authorize.ts";
import { raiseRole } from "./permissions/raise_role.ts";
import { errorFields, log, setLogLevel } from "./platform/logger.ts";
import { assertPrepared } from "./platform/prepared.ts";
import { QueueObject } from "./queue/dispatcher.ts";
import { type Counted, countRequest } from "./rate_limits/service.ts";
import { routes } from "./routes.ts";
import { signInOffer } from "./sessions/service.ts";
import { DATABASE_PATH } from "./system/host.ts";
import { errorPage } from "./ui/error_page.tsx";
import { ACTING } from "./ui/parts.ts";

export { AuditLog } from "./audit/audit_log.ts";
export { LogShard } from "./logs/log_shard.ts";
export { Metrics } from "./metrics/metrics_object.ts";
export { Sweeper } from "./retention/sweeper.ts";

/** The queue of a team, with what its side effects do. */
export class Dispatcher extends QueueObject {
	constructor(context: DurableObjectState, environment: Environment) {
		super(context, environment, effectHandlers);
	}
}

/**
 * Handles every request: identifies the caller, finds the route, checks permission, and converts
 * errors to answers.
 */
export default {
	async fetch(sent, environment): Promise<Response> {
		setLogLevel(environment.LOG_LEVEL);
		setPublicUrl(environment.PUBLIC_URL);
		const requestId = crypto.randomUUID();
		const started = Date.now();
		let request: Request = sent;
		let url = URL.parse(sent.url);
		let response: Response;
		const caller: Caller = { principal: ANYONE };
		try {
			if (url === null) throw badAddress();
			request = withoutPublicPath(sent, url);
			if (request !== sent) url = new URL(request.url);
			response = await answer(request, url, environment, requestId, caller);
		} catch (error) {
			const answered = url !== null && isUnidentified(error) ? await countIfWrong(error, request, url, environment, requestId) : error;
			response = await answerError(request, url, answered, { environment, principal: caller.principal, requestId });
		}
		response.headers.set("X-Request-Id", requestId);
		for (const [name, value] of Object.entries(caller.counted?.headers ?? {})) response.headers.set(name, value);
		if (url !== null) openToOrigin(response, request, url.pathname, environment.CORS_ORIGINS ?? "");
		const location = response.headers.get("Location");
		if (location !== null) response.headers.set("Location", publicLink(location));
		const { status } = response;
		const ms = Date.now() - started;
		countAnswer(request.method, url === null ? undefined : routeOf(request, url), status, ms);
		waitUntil(flushIfDue(environment, started + ms));
		log("debug", "request", () => ({ request_id: requestId, method: request.method, ...routeFields(request, url), status, ms }));
		return response;
	},
} satisfies ExportedHandler<Environment>;

const ANYONE = { kind: "anyone" } as const;

const table = new RouteTable(routes);

/** Who sends the request, once that is known: an error page needs it, too. */
interface Caller {
	principal: Principal;
	/** What is left of its limit. */
	counted?: Counted | null;
}

async function answer(request: Request, url: URL, environment: Environment, requestId: string, caller: Caller): Promise<Response> {
	// HEAD is handled as GET without its body.
	const isHead = request.method === "HEAD";
	const found = table.find(isHead ? "GET" : request.method, url.pathname);
	if (!found) return preflight(request, url, environment);
	const handled = await handle(found, isHead ? new Request(request, { method: "GET" }) : request, url, environment, requestId, caller);
	const response = await compressedAnswer(request, handled);
	return isHead ? new Response(null, response) : response;
}

async function handle(
	{ entry, params }: FoundRoute,
	request: Request,
	url: URL,
	environment: Environment,
	requestId: string,
	caller: Caller,
): Promise<Response> {
	const { route, isLiveness, isOfHost, isOpen } = entry;
	if (!isLiveness && route.path !== DATABASE_PATH) await assertSetUp(environment);
	// The host's own routes prepare the coordinator, and so work before.
	if (!isLiveness && !isOfHost) await assertPrepared(environment);
	const client = clientOf(request, environment);
	// As browsers write an origin: without the default port of the scheme.
	const ownOrigin = client.scheme === null ? url.origin : new URL(`${client.scheme}//${url.host}`).origin;
	const baseUrl = (environment.PUBLIC_URL || ownOrigin).replace(/\/+$/, "");
	const ownOrigins = baseUrl === ownOrigin ? [ownOrigin] : [ownOrigin, new URL(baseUrl).origin];
	// Webhooks may carry credentials of the forge; a route for anyone ignores credentials.
	const identified = isOpen ? ANYONE : await identify(environment, request, client, baseUrl.startsWith("https:"), route.isAtHome);
	caller.principal = identified;
	assertSameTeam(route, identified, url);
	caller.counted = countRequest(environment, route, identified, client, Date.now());
	if (caller.counted?.error) throw caller.counted.error;
	const values = decodedParams(params);
	const about = { environment, params: values, url };
	const handleAs = async (admitted: Principal) => {
		const principal = await raiseRole(route, admitted, about);
		const context: RequestContext = {
			...{ request, url, params: values, principal, client, environment, requestId, baseUrl, ownOrigins, noted: {} },
			mayPost: (path) => mayPost(path, OF_PROJECT.test(path) ? principal : admitted),
		};
		return isAudited(route) ? handleAudited(route, context) : handleAllowed(route, context);
	};
	try {
		return await handleAs(await admitVisitor(route, identified, about));
	} catch (error) {
		if (route.visitors !== true || identified.kind !== "user" || !(error instanceof ApiError) || error.code !== "not_found") throw error;
		// What everybody sees is no secret to people of other teams.
		const visitor = await admitVisitor(route, ANYONE, about);
		if (visitor.kind !== "user" || visitor.team === identified.team) throw error;
		return handleAs(visitor);
	}
}

/**
 * A page of an operator names the team that it was made for: another tab may have entered another one
 * meanwhile.
 * @throws ApiError `conflict`
 */
function assertSameTeam(route: Route, principal: Principal, url: URL): void {
	const shown = url.searchParams.get(ACTING);
	if (shown === null || route.isAtHome === true || principal.kind !== "user" || principal.sessionId === null || shown === principal.team)
		return;
	throw new ApiError("conflict", `This page was of the team ${shown}, and you act in ${principal.team} now. Nothing was changed.`, {
		suggestions: ["Open the page again, or enter the team on the page /teams."],
	});
}

async function handleAllowed(route: Route, context: RequestContext): Promise<Response> {
	await authorize(route, context);
	return handleRoute(route, context);
}

/** The same with an entry in the audit log, also for a caller without the right. */
async function handleAudited(route: Route, context: RequestContext): Promise<Response> {
	try {
		const response = await handleAllowed(route, context);
		await recordRequest(route, context, response.status);
		return response;
	} catch (error) {
		if (error instanceof ApiError) await recordRequest(route, context, error.status);
		throw error;
	}
}

/** What a page of a project posts to: there the reader has their role in the project. */
const OF_PROJECT = /^\/(?:projects|runs|jobs|pipelines|schedules|deliveries)\/./;

function mayPost(path: string, principal: Principal): boolean {
	if (isVisitor(principal)) return false;
	const action = table.find("POST", path)?.entry.route.action;
	return action === undefined || principal.kind !== "user" || may(principal.role, action);
}

function badAddress(): ApiError {
	return new ApiError("malformed", "The address and the Host header are not a valid URL.", { suggestions: ["Check the Host header."] });
}

function decodedParams(params: Readonly<Record<string, string>>): Record<string, string> {
	return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, decoded(value)]));
}

function decoded(part: string): string {
	try {
		return decodeURIComponent(part);
	} catch {
		throw new ApiError("malformed", "The address has an invalid % escape.", {
			details: { part },
			suggestions: ["Write a percent sign in an address as %25."],
		});
	}
}

/** Whether the error is about a missing or wrong credential. */
function isUnidentified(error: unknown): error is ApiError {
	return error instanceof ApiError && error.code === "authentication_required";
}

/** The error for a request without a valid credential. A wrong credential is counted. */
async function countIfWrong(error: ApiError, request: Request, url: URL, environment: Environment, requestId: string): Promise<ApiError> {
	const route = routeOf(request, url);
	const claim = (await claimedBy(request)) ?? route?.claims?.(url.pathname);
	if (claim === undefined) return error;
	const client = clientOf(request, environment);
	const answered = await countWrongCredential(error, { environment, client, claim, requestId, route: route?.path ?? "none" });
	// A browser whose session has ended deletes its cookie.
	const scheme = environment.PUBLIC_URL || client.scheme || url.protocol;
	if (showsSession(request)) answered.headers["Set-Cookie"] = endedSessionCookie(scheme.startsWith("https:"));
	return answered;
}

/** Answers a browser that asks for a page of another origin. @throws ApiError for any other request without a route */
function preflight(request: Request, url: URL, { CORS_ORIGINS = "" }: Environment): Response {
	const answer = preflightAnswer(request, url.pathname, CORS_ORIGINS, table.methodsAt(url.pathname));
	if (answer === null) throw noRoute(request, url);
	return answer;
}

/** 405 if the path exists with other methods, else 404. */
function noRoute(request: Request, { pathname }: URL): ApiError {
	const allowed = table.methodsAt(pathname);
	if (allowed.length === 0) {
		return new ApiError("not_found", `There is nothing at ${pathname}.`, {
			suggestions: ["Check the address. docs/reference/api.md lists the API."],
		});
	}
	const methods = [...new Set(allowed.includes("GET") ? [...allowed, "HEAD"] : allowed)];
	return new ApiError("method_not_allowed", `This address does not support ${request.method}.`, {
		details: { allowed: methods },
		suggestions: [`Use ${methods.join(" or ")}.`],
		headers: { Allow: methods.join(", ") },
	});
}

/**
 * The route of a request and the ids in its path, for the log. The path itself may hold a
 * credential.
 */
function routeFields(request: Request, url: URL | null): Record<string, string> {
	if (url === null) return { route: "none" };
	const ids = url.pathname.match(/\b(run|job|att|agt|src)_[0-9A-Z]{26}\b/g) ?? [];
	return { route: routeOf(request, url)?.path ?? "none", ...Object.fromEntries(ids.map((id) => [ID_FIELDS[id.slice(0, 3)] ?? "id", id])) };
}

function routeOf(request: Request, { pathname }: URL): Route | undefined {
	return table.find(request.method, pathname)?.entry.route;
}

const ID_FIELDS: Record<string, string> = { run: "run", job: "job", att: "attempt", agt: "agent", src: "source" };

/** Answers an error. Internal details go only to the coordinator's log. */
async function answerError(
	request: Request,
	url: URL | null,
	error: unknown,
	{ environment, principal, requestId }: { environment: Environment; principal: Principal; requestId: string },
): Promise<Response> {
	const known = error instanceof ApiError ? error : (clientDisconnected(error) ?? internalError(error, requestId));
	const wantsPage = /\btext\/html\b/.test(request.headers.get("Accept") ?? "") && url !== null && !url.pathname.startsWith("/api/");
	if (!wantsPage) return errorAnswer(known, requestId);
	// The sign-in form works without the providers: the error may be about the database.
	const offer = isUnidentified(known) ? await offerFor(environment, request, url, known.team) : NO_OFFER;
	return errorPage({ environment, principal, url, request }, known, { requestId, offer });
}

const NO_OFFER = { team: null, providers: [] };

async function offerFor(environment: Environment, request: Request, asked: URL, team: string | null) {
	const url = new URL(asked);
	// The form keeps the team that somebody has typed.
	if (team !== null) url.searchParams.set("team", team);
	const { scheme } = clientOf(request, environment);
	const isSecure = (environment.PUBLIC_URL || (scheme ?? url.protocol)).startsWith("https");
	return signInOffer(environment.DB, { request, url, isSecure }).catch(() => NO_OFFER);
}

function internalError(error: unknown, requestId: string): ApiError {
	log("error", "request failed", { request_id: requestId, ...errorFields(error) });
	if ((error as { retryable?: boolean; overloaded?: boolean }).overloaded || (error as { retryable?: boolean }).retryable) {
		return new ApiError("unavailable", "The coordinator is restarting or overloaded.", {
			headers: { "Retry-After": "2" },
			suggestions: ["Try again in a moment."],
		});
	}
	return new ApiError("internal", "The coordinator has an internal error.", {
		suggestions: [`Search the coordinator's log for request id ${requestId}.`],
	});
}
