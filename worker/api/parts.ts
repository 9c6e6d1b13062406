import { putPart } from "../artifacts/uploads.ts";
import { json } from "./answers.ts";
import { type AnonymousContext, route } from "./context.ts";
import { assertNotEncoded } from "./encoded_body.ts";

/** PUT of one part. The address itself is the credential. */
async function put({ request, environment, params }: AnonymousContext): Promise<Response> {
	assertNotEncoded(request);
	return json(await putPart(environment, params.token ?? "", request), 201);
}

export const partRoutes = [
	route("PUT", "/api/v1/parts/:token", ["anyone", "lease"], put, { claims: () => ({ name: "upload address", key: null }) }),
];
