import { formatDuration } from "../../../schema/wire/duration.ts";
import { shownState } from "../../../schema/wire/state_words.ts";
import { isoTime } from "../../record/iso_time.ts";
import { Bars } from "../../ui/bars.tsx";
import { Part } from "../../ui/parts.ts";
import { Ago, Meter, State } from "../../ui/words.tsx";
import type { ProjectStrip } from "../strips.ts";

/** The state of each default branch, as cards. */
export function ProjectStrips({ strips, total }: { strips: readonly ProjectStrip[]; total: number }) {
	return (
		<section aria-label="Default branches">
			<h2>Default branches</h2>
			<div class="cards">
				{strips.map((strip) => (
					<StripCard key={strip.project} strip={strip} />
				))}
			</div>
			{total > strips.length && (
				<p>
					<a href="/projects">{`All ${total} projects`}</a>
				</p>
			)}
		</section>
	);
}

function StripCard({ strip }: { strip: ProjectStrip }) {
	const { project, branch, state, run, why, usualMs } = strip;
	const author = run && (run.commit_author || run.trigger_actor).replace(/\s*<[^>]*>$/, "");
	const [subject = ""] = run?.commit_message?.split("\n") ?? [];
	return (
		<Part id={`p-${project}`} as="a" class={`card${state === null ? "" : ` is-${shownState(state).tone}`}`} href={`/projects/${project}`}>
			<div class="row">
				<b class="grow cut">{project}</b>
				{state === null ? <span class="soft">no runs</span> : <State state={state} />}
			</div>
			<div class={`cut${state === "succeeded" ? " soft" : ""}`}>{why ?? `${branch} is green`}</div>
			{run && (
				<div class="row soft">
					{run.commit_sha !== null && <code>{run.commit_sha.slice(0, 8)}</code>}
					<span class="grow cut">{subject === "" ? author : `${author} · ${subject}`}</span>
					<Ago at={isoTime(run.created_at)} />
				</div>
			)}
			<div class="row">
				<Bars bars={strip.bars} />
				<span class="soft small">{usualMs !== null && `usually ${formatDuration(usualMs)}`}</span>
			</div>
			{run && run.state === "running" && <Meter from={isoTime(run.started_at)} to={null} usualMs={usualMs} state="running" />}
		</Part>
	);
}
