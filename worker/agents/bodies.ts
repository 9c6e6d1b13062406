import type * as z from "zod";
import { ApiError } from "../../schema/wire/errors.ts";
import { MAX_AGENT_BODY_BYTES } from "../../schema/wire/limits.ts";
import { readJson } from "../http/bodies.ts";
import type { RequestContext } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { unwrap } from "../platform/result.ts";

/**
 * A body so short is read before the queue is asked whose token this is: the queue checks the token with the very call that the
 * body is for, and a second call would cost each of an agent's requests as much as the first.
 */
const UNCHECKED_BYTES = 16 * 1024;

type Caller = Pick<RequestContext<"agent" | "registration">, "request" | "environment" | "principal">;

/**
 * The JSON body of an agent's request. Nobody without a valid token has a large body read, or is told what is wrong with it.
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
