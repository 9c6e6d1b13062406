import { ApiError } from "../../schema/wire/errors.ts";
import { DEFAULT_TEAM } from "../../schema/wire/teams.ts";
import type { Environment } from "../bindings.ts";
import { dispatcherOf } from "./dispatcher.ts";

/** The boot id of the local host that has finished its start. */
let preparedBoot: string | null = null;

/**
 * The local host opens its port before it has stored its tokens: until then valid tokens would be
 * rejected. The check ends for good once the host is ready.
 * @throws ApiError `unavailable`
 */
export async function assertPrepared(environment: Environment): Promise<void> {
	const { HOST_SECRET, BOOT_ID } = environment;
	if (HOST_SECRET === undefined || BOOT_ID === undefined || BOOT_ID === preparedBoot) return;
	if (!(await dispatcherOf(environment, DEFAULT_TEAM).isPrepared(BOOT_ID))) {
		throw new ApiError("unavailable", "The coordinator is starting.", {
			suggestions: ["Repeat the request in a few seconds."],
			headers: { "Retry-After": "1" },
		});
	}
	preparedBoot = BOOT_ID;
}
