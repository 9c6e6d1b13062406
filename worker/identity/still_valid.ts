import type { Environment } from "../bindings.ts";
import type { Client } from "./client_address.ts";
import { identify, type Principal } from "./principal.ts";

/** A request that is answered for long: its credential may end meanwhile. */
interface LongRequest {
	request: Request;
	environment: Environment;
	principal: Principal;
	client: Client;
	baseUrl: string;
}

/** Whether the credential of a request is still valid: to be asked now and then by answers that have no end of their own. */
export async function isStillValid({ request, environment, principal, client, baseUrl }: LongRequest): Promise<boolean> {
	try {
		return (await identify(environment, request, client, baseUrl.startsWith("https:"))).kind === principal.kind;
	} catch {
		return false;
	}
}
