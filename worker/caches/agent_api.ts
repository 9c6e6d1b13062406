import * as wire from "../../schema/wire/caches.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { leaseOf } from "../attempts/service.ts";
import { json } from "../http/answers.ts";
import { assertNotEncoded } from "../http/encoded_body.ts";
import { type AnonymousContext, type Bodied, type RequestContext, route } from "../http/route.ts";
import { verifyForLease } from "../identity/signed_for_lease.ts";
import { checkCache } from "./check_cache.ts";
import { contentClaims, findCachesOf } from "./find_caches.ts";
import { partKey } from "./objects.ts";
import { addressesFor, commitCache, putCachePart } from "./save_caches.ts";
import { findObject } from "./store.ts";
import { warmCachesFor } from "./warm_caches.ts";

/** What agents ask of caches. */

type Caller = RequestContext<"lease">;

async function find(context: Caller & Bodied<typeof wire.findCaches>): Promise<Response> {
	const lease = leaseOf(context);
	const { caches } = await context.readBody();
	return json(await findCachesOf(context.environment, lease, caches));
}

async function requestSaves(context: Caller & Bodied<typeof wire.saveCaches>): Promise<Response> {
	const lease = leaseOf(context);
	const { caches } = await context.readBody();
	return json(await addressesFor(context.environment, lease, caches));
}

async function warm({ environment, principal, readBody }: RequestContext<"agent"> & Bodied<typeof wire.askWarmCaches>): Promise<Response> {
	return json(await warmCachesFor(environment, principal, await readBody()));
}

async function check(context: Caller & Bodied<typeof wire.checkCache>): Promise<Response> {
	const { cannot_unpack = false } = await context.readBody();
	return json({ is_damaged: await checkCache(context.environment, leaseOf(context), context.params.cache ?? "", cannot_unpack) });
}

/** GET of a part of a content. The address is the credential. */
async function getPart({ environment, params }: AnonymousContext): Promise<Response> {
	const claims = await verifyForLease(environment, "cache", params.token ?? "", (found) => contentClaims.safeParse(found).data ?? null);
	if (!claims)
		throw new ApiError("authentication_required", "The address is invalid or has expired.", { suggestions: ["Look for the cache again."] });
	const number = Number(params.number);
	const part = (await findObject(environment.DB, claims.objectId))?.parts[number - 1];
	const object = part && (await environment.BUCKET.get(partKey(claims.team, claims.objectId, number)));
	if (!object) throw notFound("part", `${params.number} of the cache`);
	return new Response(object.body, {
		headers: {
			"Content-Type": "application/octet-stream",
			"Content-Length": String(object.size),
			"X-Content-SHA256": part.sha256,
			"Cache-Control": "private, no-transform",
		},
	});
}

async function putPart({ environment, params, request }: AnonymousContext): Promise<Response> {
	assertNotEncoded(request);
	await putCachePart(environment, params.token ?? "", params.number ?? "", request);
	return new Response(null, { status: 204 });
}

async function commit({ environment, params, readBody }: AnonymousContext & Bodied<typeof wire.cacheManifest>): Promise<Response> {
	return json(await commitCache(environment, params.token ?? "", await readBody()), 201);
}

const ADDRESS = { name: "cache address", key: null };

export const cacheAgentRoutes = [
	route({
		method: "POST",
		path: "/api/v1/attempts/:id/caches/find",
		allow: ["lease"],
		description: { summary: "Find the caches that a job begins with", answers: { 200: wire.foundCaches } },
		body: wire.findCaches,
		handle: find,
	}),
	route({
		method: "POST",
		path: "/api/v1/attempts/:id/caches",
		allow: ["lease"],
		description: { summary: "Request an address for each cache that the job saves", answers: { 200: wire.saveAddresses } },
		body: wire.saveCaches,
		handle: requestSaves,
	}),
	route({
		method: "POST",
		path: "/api/v1/agents/self/caches",
		allow: ["agent"],
		description: { summary: "The caches that jobs of the agent's labels use most", answers: { 200: wire.warmCaches } },
		body: wire.askWarmCaches,
		handle: warm,
	}),
	route({
		method: "POST",
		path: "/api/v1/attempts/:id/caches/:cache/check",
		allow: ["lease"],
		description: { summary: "Check a cache that arrived damaged; a damaged one is removed", answers: { 200: wire.checkedCache } },
		body: wire.checkCache,
		handle: check,
	}),
	route({
		method: "GET",
		path: "/api/v1/caches/contents/:token/:number",
		allow: ["anyone", "lease"],
		limit: "none",
		description: { summary: "A part of a cache; the address is the credential", answers: { 200: "application/octet-stream" } },
		claims: () => ADDRESS,
		handle: getPart,
	}),
	route({
		method: "PUT",
		path: "/api/v1/caches/saves/:token/:number",
		allow: ["anyone", "lease"],
		limit: "none",
		description: {
			summary: "Upload a part of a cache; the address is the credential",
			headers: { "Content-Length": "required", "X-Content-SHA256": "of the part, in hex" },
			content: { "application/octet-stream": "the part" },
			answers: { 204: null },
		},
		claims: () => ADDRESS,
		handle: putPart,
	}),
	route({
		method: "POST",
		path: "/api/v1/caches/saves/:token",
		allow: ["anyone", "lease"],
		limit: "none",
		description: { summary: "Make a cache visible; all of its parts are uploaded", answers: { 201: wire.savedCache } },
		body: wire.cacheManifest,
		claims: () => ADDRESS,
		handle: commit,
	}),
];
