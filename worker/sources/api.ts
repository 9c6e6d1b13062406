import type { SourceRow } from "../../schema/database/tables.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { MAX_SOURCE_BYTES } from "../../schema/wire/limits.ts";
import type { UploadedSource } from "../../schema/wire/resources.ts";
import * as resources from "../../schema/wire/resources.ts";
import { json } from "../http/answers.ts";
import { lengthOf } from "../http/bodies.ts";
import { assertNotEncoded } from "../http/encoded_body.ts";
import { type RequestContext, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { unwrap } from "../platform/result.ts";
import { assertMayStore } from "../quotas/service.ts";
import { storeSource } from "./bundles.ts";
import { findSource } from "./store.ts";

type Caller = RequestContext<"user" | "host">;

/** PUT /sources: uploads a tar archive, optionally with gzip, for use as the source of runs. */
async function upload({ request, environment, principal }: Caller): Promise<Response> {
	assertNotEncoded(request);
	const size = lengthOf(request, MAX_SOURCE_BYTES);
	unwrap(await dispatcherOf(environment, principal.team).checkRoom());
	await assertMayStore(environment, principal.team, size);
	if (!request.body)
		throw new ApiError("malformed", "The body is empty.", { suggestions: ["Send a tar archive. windlass run sends this folder."] });
	const source = await storeSource(environment, principal.team, request.body, size);
	return json(presentSource(source), 201, { Location: `/api/v1/sources/${source.id}` });
}

async function get({ environment, principal, params }: Caller): Promise<Response> {
	const source = await findSource(environment.DB, principal.team, params.id ?? "");
	if (!source) throw notFound("source", params.id ?? "");
	return json(presentSource(source));
}

function presentSource({ id, size, sha256, entries, unpacked_bytes }: SourceRow): UploadedSource {
	return { id, size, sha256, entries, unpacked_bytes };
}

export const sourceRoutes = [
	route({
		method: "PUT",
		path: "/api/v1/sources",
		allow: ["user", "host"],
		action: "runs.submit",
		// The submission that names it names the project.
		scope: "body",
		description: {
			summary: "Upload a tar archive, optionally with gzip, for use as the source of runs",
			headers: { "Content-Length": "required" },
			content: { "application/octet-stream": "the archive" },
			answers: { 201: resources.uploadedSource },
		},
		handle: upload,
	}),
	route({
		method: "GET",
		path: "/api/v1/sources/:id",
		allow: ["user", "host"],
		action: "read",
		description: { summary: "An uploaded source", answers: { 200: resources.uploadedSource } },
		handle: get,
	}),
];
