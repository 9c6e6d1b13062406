import type { RunRow } from "../../schema/database/tables.ts";
import { isTerminal } from "../../schema/wire/states.ts";
import type { Environment } from "../bindings.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import type { RunWait } from "../queue/core/runs/explain.ts";

/** What the open ones among these runs wait for, by id. */
export async function waitsOf(
	environment: Environment,
	team: string,
	runs: readonly Pick<RunRow, "id" | "state">[],
): Promise<Record<string, RunWait>> {
	const open = runs.filter(({ state }) => !isTerminal(state));
	return open.length === 0 ? {} : dispatcherOf(environment, team).explainRuns(open.map(({ id }) => id));
}
