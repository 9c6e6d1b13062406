import type { Job, Run } from "../../schema/wire/resources.ts";
import { Connection } from "../connection.ts";
import { print, printJson, stateText } from "../terminal.ts";
import type { Flags } from "./command.ts";
import { kindOf, resolveId } from "./which_run.ts";

type Choice = (connection: Connection, id: string) => Promise<string>;

/**
 * Sends a change of a run or a job, and prints its state afterwards.
 * @param choose picks a job of the run that the person has named
 */
export async function changeRunOrJob(
	[named, job]: [named: string, job: string | undefined],
	flags: Flags,
	change: "cancel" | "approve" | "decline",
	json: object = {},
	choose: Choice = async (_, id) => id,
): Promise<void> {
	const connection = new Connection(flags);
	const id = await choose(connection, await resolveId(connection, named, job, true));
	const changed = await connection.json<Run | Job>(`/api/v1/${kindOf(id)}/${id}/${change}`, { method: "POST", json });
	if (flags.output === "json") printJson(changed);
	else print(`${stateText(changed.state)}  ${id}`);
}
