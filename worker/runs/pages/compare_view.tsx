import { formatDuration } from "../../../schema/wire/duration.ts";
import type { Job, RunSummary } from "../../../schema/wire/resources.ts";
import { shownState } from "../../../schema/wire/state_words.ts";
import { State, Took } from "../../ui/words.tsx";
import type { RunComparison } from "../compare.ts";

interface CompareProps {
	run: RunSummary;
	/** The earlier run; null if it is not chosen, or has been deleted. */
	before: RunSummary | null;
	comparison: RunComparison | null;
	/** Runs of the same branch to compare with. */
	choices: readonly RunSummary[];
}

/** A run beside an earlier one: inputs, results, durations and tests. */
export function CompareView({ run, before, comparison, choices }: CompareProps) {
	return (
		<section aria-label="Compare">
			<form action={`/runs/${run.id}`} class="row" data-auto>
				<input type="hidden" name="tab" value="compare" />
				<label class="row">
					Compare with
					<select name="with">
						{choices.map((one) => (
							<option key={one.id} value={one.id} selected={one.id === before?.id}>
								{`#${one.number} ${shownState(one.state).word} ${one.commit?.sha.slice(0, 8) ?? ""}`}
							</option>
						))}
					</select>
				</label>
				<button type="submit">Compare</button>
			</form>
			{choices.length === 0 && <p class="empty">There is no earlier run of this branch.</p>}
			{before && comparison && <Differences before={before} run={run} comparison={comparison} />}
		</section>
	);
}

function Differences({ before, run, comparison }: { before: RunSummary; run: RunSummary; comparison: RunComparison }) {
	const { inputs, jobs, newlyFailed, fixed } = comparison;
	return (
		<>
			<h2>Inputs</h2>
			{inputs.length === 0 && <p class="soft">Both runs had the same inputs.</p>}
			{inputs.length > 0 && (
				<div class="scroll">
					<table>
						<Heads first="Input" before={before} run={run} />
						<tbody>
							{inputs.map((one) => (
								<tr key={one.name}>
									<td>{one.name}</td>
									<td class="wraps">{one.before ?? "–"}</td>
									<td class="wraps">{one.now ?? "–"}</td>
								</tr>
							))}
						</tbody>
					</table>
				</div>
			)}
			<h2>Jobs</h2>
			<div class="scroll">
				<table>
					<Heads first="Job" before={before} run={run} last="Difference" />
					<tbody>
						{jobs.map((one) => (
							<tr key={one.name}>
								<td>{one.name}</td>
								<Ended job={one.before} />
								<Ended job={one.now} />
								<td class="n">{difference(one.before, one.now)}</td>
							</tr>
						))}
					</tbody>
				</table>
			</div>
			<Names title="Newly failed tests" names={newlyFailed} />
			<Names title="Fixed tests" names={fixed} />
		</>
	);
}

function Heads({ first, before, run, last }: { first: string; before: RunSummary; run: RunSummary; last?: string }) {
	return (
		<thead>
			<tr>
				<th scope="col">{first}</th>
				<th scope="col">
					<a href={`/runs/${before.id}`}>{`#${before.number}`}</a>
				</th>
				<th scope="col">{`#${run.number}`}</th>
				{last && (
					<th scope="col" class="n">
						{last}
					</th>
				)}
			</tr>
		</thead>
	);
}

function Ended({ job }: { job: Job | null }) {
	if (job === null) return <td class="soft">no such job</td>;
	return (
		<td>
			<a href={`/jobs/${job.id}`}>
				<State state={job.state} />
			</a>{" "}
			<Took from={job.started_at} to={job.finished_at} />
		</td>
	);
}

function durationOf(job: Job | null): number | null {
	return job?.started_at && job.finished_at ? Date.parse(job.finished_at) - Date.parse(job.started_at) : null;
}

function difference(before: Job | null, now: Job | null): string {
	const [then, took] = [durationOf(before), durationOf(now)];
	if (then === null || took === null) return "–";
	const percent = then === 0 ? "" : ` (${took >= then ? "+" : "−"}${Math.abs(Math.round((100 * (took - then)) / then))} %)`;
	return `${took >= then ? "+" : "−"}${formatDuration(Math.abs(took - then))}${percent}`;
}

const NAMES_SHOWN = 50;

function Names({ title, names }: { title: string; names: readonly string[] }) {
	if (names.length === 0) return null;
	return (
		<>
			<h2>{`${title} (${names.length})`}</h2>
			<ul class="plain">
				{names.slice(0, NAMES_SHOWN).map((name) => (
					<li key={name}>
						<code>{name}</code>
					</li>
				))}
			</ul>
		</>
	);
}
