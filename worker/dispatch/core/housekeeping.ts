import { type Core, command } from "./core.ts";
import { setTimer } from "./timers.ts";

/** What the queue itself collects over the years: lanes in which nothing waits, agents that are long gone. */

const TIDY_MS = 60 * 60_000;
/** An agent that was not heard of for this long is forgotten; one that comes back after that registers anew. */
const AGENT_GONE_MS = 30 * 24 * 60 * 60_000;
const LANES_AT_ONCE = 500;

/** Sets the hourly timer, unless it is set. */
export function scheduleTidying(core: Core): void {
	const isSet = core.sql.all("SELECT 1 FROM timers WHERE kind = 'tidy'").length > 0;
	if (!isSet) command(core, () => setTimer(core, "tidy", "", core.now() + TIDY_MS));
}

/** Removes what nobody needs any more. To be called inside a command. */
export function tidyQueue(core: Core): void {
	const gone = core.sql.all<{ id: string }>(
		`DELETE FROM agents WHERE status = 'offline' AND coalesce(last_seen_at, registered_at) < ?
		AND NOT EXISTS (SELECT 1 FROM attempts WHERE agent_id = agents.id) AND NOT EXISTS (SELECT 1 FROM offers WHERE agent_id = agents.id) RETURNING id`,
		core.now() - AGENT_GONE_MS,
	);
	for (const { id } of gone) core.sql.all("DELETE FROM refusals WHERE agent_id = ?", id);
	core.sql.all(
		"DELETE FROM lanes WHERE id IN (SELECT id FROM lanes WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE lane_id = lanes.id) LIMIT ?)",
		LANES_AT_ONCE,
	);
	setTimer(core, "tidy", "", core.now() + TIDY_MS);
}
