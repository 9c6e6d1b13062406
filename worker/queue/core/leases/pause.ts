import { type Core, command, readMeta, writeMeta } from "../core.ts";

/** Pausing the queue: running jobs continue, waiting jobs wait, and submissions are accepted. */

export interface Pause {
	actor: string;
	reason: string | null;
	at: number;
}

/** Pauses the queue: no job is offered. A second pause leaves the first as it is. */
export function pauseQueue(core: Core, actor: string, reason: string | null): Pause {
	return command(core, () => {
		const known = pauseOf(core);
		if (known) return known;
		const pause: Pause = { actor, reason, at: core.now() };
		writeMeta(core.sql, "pause", JSON.stringify(pause));
		return pause;
	});
}

/** Resumes the queue. A queue that is not paused does not change. */
export function resumeQueue(core: Core): void {
	command(core, () => core.sql.all("DELETE FROM meta WHERE key = 'pause'"));
}

/** Who paused the queue, when and why; null while it is not paused. */
export function pauseOf(core: Core): Pause | null {
	const text = readMeta(core.sql, "pause");
	return text === undefined ? null : (JSON.parse(text) as Pause);
}
