import type { AttemptRow } from "../../../schema/database/tables.ts";
import { isTerminal } from "../../../schema/wire/states.ts";
import type { Environment } from "../../bindings.ts";
import type { JobRecord } from "../../record/runs.ts";
import { readLineBlock } from "../line_index.ts";
import { ShownLineSplitter } from "../lines.ts";
import { isLogComplete, logSize, readLog } from "../reader.ts";
import type { LogPreview } from "./log_view.tsx";

/** A log up to this size is part of the page; of a larger log, only the first lines. */
const WHOLE_BYTES = 2_000_000;
const PREVIEW_LINES = 2_000;

/** The part of a log that the page itself contains. */
export async function previewLog(environment: Environment, { job }: JobRecord, attempt: AttemptRow): Promise<LogPreview> {
	const isLive = !(isTerminal(job.state) && isLogComplete(attempt));
	const expiredAt = attempt.log_expired_at === null ? null : new Date(attempt.log_expired_at).toISOString();
	if (expiredAt !== null) return { attempt: attempt.number, bytes: 0, total: 0, lines: [], nextOffset: 0, isLive: false, expiredAt };
	const bytes = await logSize(environment, attempt);
	const { lines, total, nextOffset } =
		bytes > WHOLE_BYTES ? await readLineBlock(environment, attempt, 0, PREVIEW_LINES) : await whole(environment, attempt, bytes);
	return { attempt: attempt.number, bytes, total, lines, nextOffset, isLive, expiredAt };
}

/** A log that has just begun, for a page that is open already. Its script fetches the lines. */
export function beginOfLog({ number }: AttemptRow): LogPreview {
	return { attempt: number, bytes: 0, total: 0, lines: [], nextOffset: 0, isLive: true, expiredAt: null };
}

async function whole(environment: Environment, attempt: AttemptRow, bytes: number) {
	const splitter = new ShownLineSplitter(0);
	const lines: string[] = [];
	let nextOffset = 0;
	for await (const chunk of readLog(environment, attempt, { offset: 0, until: bytes, isFollowing: false })) {
		const batch = chunk && splitter.push(chunk);
		if (!batch) continue;
		for (const line of batch.lines) lines.push(line);
		nextOffset = batch.nextOffset;
	}
	const rest = isLogComplete(attempt) ? splitter.flush() : null;
	if (rest) lines.push(...rest.lines);
	return { lines, total: lines.length, nextOffset: rest?.nextOffset ?? nextOffset };
}
