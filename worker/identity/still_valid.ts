import type { Environment } from "../bindings.ts";
import type { Client } from "./client_address.ts";
import { identify, type Principal } from "./principal.ts";
import { isPublicProject, isVisitor } from "./visitors.ts";

/** A request with a long answer, during which its credential may become invalid. */
export interface LongRequest {
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
		const present = await identify(environment, request, client, baseUrl.startsWith("https:"));
		return present.kind === principal.kind && teamOf(present) === teamOf(principal);
	} catch {
		return false;
	}
}

function teamOf(principal: Principal): string | null {
	return "team" in principal ? principal.team : null;
}

/** How often a long answer asks whether its reader may still read it. */
const CHECK_MS = 20_000;

type Write = (text: string | Uint8Array) => Promise<void>;

/** Writes of a long answer, which end once its reader may not read it any more. */
export function whileStillValid(request: LongRequest, write: Write): Write {
	let checkedAt = Date.now();
	return async (text) => {
		if (Date.now() - checkedAt >= CHECK_MS) {
			if (!(await isStillValid(request))) throw new Error("the reader may not read this any more");
			checkedAt = Date.now();
		}
		await write(text);
	};
}
