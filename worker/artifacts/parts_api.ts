import * as protocol from "../../schema/wire/protocol.ts";
import { json } from "../http/answers.ts";
import { assertNotEncoded } from "../http/encoded_body.ts";
import { type AnonymousContext, route } from "../http/route.ts";
import { putPart } from "./uploads.ts";

/** PUT of a part. The address is the credential. */
async function put({ request, environment, params }: AnonymousContext): Promise<Response> {
	assertNotEncoded(request);
	return json(await putPart(environment, params.token ?? "", request), 201);
}

export const partRoutes = [
	route({
		method: "PUT",
		path: "/api/v1/parts/:token",
		allow: ["anyone", "lease"],
		limit: "none",
		description: {
			summary: "Upload a part of a file; the address is the credential",
			headers: { "Content-Length": "required", "X-Content-SHA256": "of the part, in hex" },
			content: { "application/octet-stream": "the part" },
			answers: { 201: protocol.partAnswer },
		},
		claims: () => ({ name: "upload address", key: null }),
		handle: put,
	}),
];
