import { json } from "../http/answers.ts";
import { assertNotEncoded } from "../http/encoded_body.ts";
import { type AnonymousContext, route } from "../http/route.ts";
import { putPart } from "./uploads.ts";

/** PUT of one part. The address itself is the credential. */
async function put({ request, environment, params }: AnonymousContext): Promise<Response> {
	assertNotEncoded(request);
	return json(await putPart(environment, params.token ?? "", request), 201);
}

export const partRoutes = [
	route("PUT", "/api/v1/parts/:token", ["anyone", "lease"], put, { claims: () => ({ name: "upload address", key: null }) }),
];
