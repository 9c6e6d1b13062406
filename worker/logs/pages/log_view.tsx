import type { Job, Step } from "../../../schema/wire/resources.ts";
import { isTerminal } from "../../../schema/wire/states.ts";
import { State, size, Took } from "../../ui/words.tsx";
import { LogLines } from "./log_lines.tsx";
import { type StepsInLog, stepsInLog } from "./steps_in_log.ts";

/** The beginning of a log, as the page shows it without scripts; the whole log if it is small. */
export interface LogPreview {
	attempt: number;
	/** The current size of the log, in bytes, and its number of complete lines. */
	bytes: number;
	total: number;
	lines: string[];
	/** The offset after these lines. */
	nextOffset: number;
	/** Whether more bytes may arrive. */
	isLive: boolean;
	/** When retention deleted the log. */
	expiredAt: string | null;
}

/** Up to this size, every step of a log is unfolded. */
const UNFOLDED_LINES = 2_000;

/**
 * A part of a log that can be folded: a step, or the lines before the first step. Lines count from
 * 0.
 */
interface Fold {
	step: StepsInLog | null;
	first: number;
	/** The number of the line after its last; null for the last fold. */
	end: number | null;
}

/**
 * The log of an attempt, folded by step. The server makes and escapes all markup; scripts only move
 * it.
 */
export function LogView({ job, log }: { job: Job; log: LogPreview }) {
	const address = `/api/v1/jobs/${job.id}/log?attempt=${log.attempt}`;
	const steps = job.attempts.find(({ number }) => number === log.attempt)?.steps ?? [];
	const isMore = log.lines.length < log.total;
	if (log.expiredAt !== null) return <p class="empty">The log expired and was deleted on {log.expiredAt.slice(0, 10)}.</p>;
	return (
		<>
			<div
				id="log"
				data-job={job.id}
				data-attempt={log.attempt}
				data-total={log.total}
				data-shown={log.lines.length}
				data-next={log.nextOffset}
				data-live={log.isLive ? "yes" : undefined}
			>
				<div class="log-tools row">
					<search class="row">
						<form>
							<input type="search" name="q" placeholder="Search the log" aria-label="Search the log" />
						</form>
						<span class="matches row" hidden>
							<button type="button" class="previous" aria-label="Previous match">
								↑
							</button>
							<button type="button" class="next" aria-label="Next match">
								↓
							</button>
							<span class="soft" role="status" />
						</span>
					</search>
					<span class="grow" />
					<button type="button" class="quiet follow" aria-pressed="false" hidden>
						Follow
					</button>
					<button type="button" class="quiet times" aria-pressed="true" hidden>
						Times
					</button>
					<button type="button" class="quiet wrap" aria-pressed="true" hidden>
						Wrap
					</button>
					<button type="button" class="quiet copy" hidden>
						Copy
					</button>
					<a href={`${address}&format=clean`} download={`${job.key}-${log.attempt}.log`}>
						Download
					</a>
					<a href={address}>Raw</a>
					<span class="soft">{size(log.bytes)}</span>
				</div>
				<ol class="found" hidden aria-label="Matches" />
				{foldsOf(steps, log).map((fold) => (
					<FoldView key={fold.first} fold={fold} log={log} isOpen={isOpen(fold, log)} />
				))}
				{isMore && (
					<noscript>
						<p>
							The page shows the beginning of the log. <a href={address}>Open the whole log</a>.
						</p>
					</noscript>
				)}
				<p id="log-end" class="soft" aria-live="polite">
					{isTerminal(job.state) && !log.isLive ? "End of the log." : ""}
				</p>
			</div>
			<script type="module" src="/assets/log.browser.js" />
		</>
	);
}

function FoldView({ fold, log, isOpen }: { fold: Fold; log: LogPreview; isOpen: boolean }) {
	const { step, first, end } = fold;
	const lines = log.lines.slice(first, end ?? undefined);
	return (
		<details class="fold" open={isOpen} data-first={first} data-end={end ?? undefined}>
			<summary hidden={step === null}>
				{step && (
					<>
						<State state={step.state} /> <span class="name">{step.name}</span> <Took from={step.started_at} to={step.finished_at} />
					</>
				)}
			</summary>
			<ol class="log">
				<LogLines lines={lines} firstNumber={first + 1} />
			</ol>
		</details>
	);
}

/** The folds of a log: from the first line of each step to the first line of the next. */
function foldsOf(steps: readonly Step[], log: LogPreview): Fold[] {
	const begun = stepsInLog(steps);
	const starts = begun.map((step) => step.log_line);
	const folds: Fold[] = begun.map((step, index) => ({ step, first: step.log_line, end: starts[index + 1] ?? null }));
	const before = starts[0] ?? null;
	if (before === null || before > 0) folds.unshift({ step: null, first: 0, end: before });
	return folds.filter(({ first, end }, index) => index === folds.length - 1 || first < (end ?? log.total));
}

function isOpen({ step, end }: Fold, log: LogPreview): boolean {
	return log.total <= UNFOLDED_LINES || step === null || end === null || step.state !== "succeeded";
}
