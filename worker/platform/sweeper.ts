import type { Environment, Sweeper } from "../bindings.ts";
import { SWEEPER_NAME } from "./settings.ts";

/** The one sweeper there is. */
export function sweeperOf(environment: Environment): DurableObjectStub<Sweeper> {
	return environment.SWEEPER.getByName(SWEEPER_NAME);
}
