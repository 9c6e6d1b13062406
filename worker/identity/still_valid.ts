import type { Environment } from "../bindings.ts";
import type { Client } from "./client_address.ts";
import { identify, type Principal } from "./principal.ts";
import { isPublicProject, isVisitor } from "./visitors.ts";

/** A request with a long answer, during which its credential may become invalid. */
interface LongRequest {
	request: Request;
	environment: Environment;
	principal: Principal;
	client: Client;
	baseUrl: string;
}

/** Whether the credential of a request is still valid. Streams check this from time to time. */
export async function isStillValid({ request, environment, principal, client, baseUrl }: LongRequest): Promise<boolean> {
	if (principal.kind === "user" && isVisitor(principal))
		return isPublicProject(environment.DB, principal.team, principal.projects?.[0] ?? "");
	try {
		return (await identify(environment, request, client, baseUrl.startsWith("https:"))).kind === principal.kind;
	} catch {
		return false;
	}
}
