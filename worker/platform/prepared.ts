import { ApiError } from "../../schema/wire/errors.ts";
import type { Environment } from "../bindings.ts";
import { DEFAULT_TEAM } from "../identity/principal.ts";
import { dispatcherOf } from "./dispatcher.ts";

/** The start of the local host that has finished, as far as this isolate knows. */
let preparedBoot: string | null = null;

/**
 * The local host opens its port before its tokens are in place: until then a valid token would be rejected as wrong.
 * Asked until the host is done, and never again.
 * @throws ApiError `unavailable`
 */
export async function assertPrepared(environment: Environment): Promise<void> {
	const { HOST_SECRET, BOOT_ID } = environment;
	if (HOST_SECRET === undefined || BOOT_ID === undefined || BOOT_ID === preparedBoot) return;
	if (!(await dispatcherOf(environment, DEFAULT_TEAM).isPrepared(BOOT_ID))) {
		throw new ApiError("unavailable", "The coordinator is starting.", {
			suggestions: ["Try again in a moment."],
			headers: { "Retry-After": "1" },
		});
	}
	preparedBoot = BOOT_ID;
}
