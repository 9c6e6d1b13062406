import type * as z from "zod";
import { ApiError } from "../../schema/wire/errors.ts";
import { MAX_AGENT_BODY_BYTES } from "../../schema/wire/limits.ts";
import { readJson } from "../http/bodies.ts";
import type { RequestContext } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { unwrap } from "../platform/result.ts";

/**
 * Bodies up to this size are read before the queue checks the token: the queue checks it again in
 * the call that handles the body, and a separate check would double the cost.
 */
const UNCHECKED_BYTES = 16 * 1024;

type Caller = Pick<RequestContext<"agent" | "registration">, "request" | "environment" | "principal">;

/**
 * The JSON body of a request of an agent. Without a valid token no large body is read and no
 * validation error is returned.
 * @throws ApiError `authentication_required`, `malformed`, `too_large`, `validation_failed`
 */
export async function readAgentJson<Schema extends z.ZodType>(caller: Caller, schema: Schema): Promise<z.infer<Schema>> {
	const length = caller.request.headers.get("Content-Length");
	const isEncoded = caller.request.headers.has("Content-Encoding");
	if (isEncoded || length === null || Number(length) > UNCHECKED_BYTES) await checkCredential(caller);
	try {
		return await readJson(caller.request, schema, MAX_AGENT_BODY_BYTES);
	} catch (error) {
		if (error instanceof ApiError) await checkCredential(caller);
		throw error;
	}
}

async function checkCredential({ environment, principal }: Caller): Promise<void> {
	const credential =
		principal.kind === "agent"
			? { agentId: principal.agentId, secretHash: principal.secretHash }
			: { registrationHash: principal.tokenHash };
	unwrap(await dispatcherOf(environment, principal.team).checkCredential(credential));
}
