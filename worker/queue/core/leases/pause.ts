import { type Core, command } from "../core.ts";
import type { Pause } from "../hints.ts";
import { readMeta, writeMeta } from "../meta.ts";

/** Pausing the queue: running jobs continue, waiting jobs wait, and submissions are accepted. */

/** Pauses the queue: no job is offered. A second pause leaves the first as it is. */
export function pauseQueue(core: Core, actor: string, reason: string | null): Pause {
	return command(core, () => {
		const known = pauseOf(core);
		if (known) return known;
		const pause: Pause = { actor, reason, at: core.now() };
		writeMeta(core.sql, "pause", JSON.stringify(pause));
		core.hints.pause = undefined;
		return pause;
	});
}

/** Resumes the queue. A queue that is not paused does not change. */
export function resumeQueue(core: Core): void {
	command(core, () => core.sql.all("DELETE FROM meta WHERE key = 'pause'"));
	core.hints.pause = undefined;
}

/** Who paused the queue, when and why; null while it is not paused. */
export function pauseOf(core: Core): Pause | null {
	if (core.hints.pause === undefined) {
		const text = readMeta(core.sql, "pause");
		core.hints.pause = text === undefined ? null : (JSON.parse(text) as Pause);
	}
	return core.hints.pause;
}
