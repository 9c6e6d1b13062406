import { RUN_STATES, type RunState } from "../../../schema/wire/states.ts";
import { RUN_EVENTS } from "../../../schema/wire/triggers.ts";
import { idCursor, integer, oneOf, text, type ValuesOf } from "../../http/parameters.ts";
import { MOST_COUNTED } from "../../record/run_lists.ts";

/** The filters of a list of runs. All are in the address, so that a filtered list has a link. */

/** States that a reader looks for together. */
const GROUPS = {
	running: { label: "Running", tone: "run", mark: "●", states: ["running", "cancelling"] },
	waiting: { label: "Waiting", tone: "wait", mark: "◔", states: ["queued", "waiting"] },
	failed: { label: "Failed today", tone: "bad", mark: "✗", states: ["failed", "errored", "timed_out"] },
} as const satisfies Record<string, { label: string; tone: string; mark: string; states: readonly RunState[] }>;

type Group = keyof typeof GROUPS;
const SHOWN = [...(Object.keys(GROUPS) as Group[]), ...RUN_STATES.filter((state) => !(state in GROUPS))];

export const LIST = {
	cursor: idCursor("run"),
	state: oneOf("only runs in this state, or in these states", SHOWN),
	project: text("only runs of this project"),
	branch: text("only runs of this branch"),
	event: oneOf("only runs of this event", RUN_EVENTS),
	author: text("only runs of this person"),
	text: text("only runs with this text"),
	per: integer("how many runs a page shows", { least: 25, most: 200, fallback: 50 }),
};
export type ListQuery = ValuesOf<typeof LIST>;

/** The states of the `state` parameter; null for all. */
export function statesOf({ state }: Pick<ListQuery, "state">): readonly RunState[] | null {
	if (state === null) return null;
	return state in GROUPS ? GROUPS[state as Group].states : [state as RunState];
}

/** Since when the runs of each state are counted, in milliseconds since 1970. */
export function countedSince(now: number): Partial<Record<RunState, number>> {
	const day = now - 24 * 3_600_000;
	const since = (group: Group, from: number) => GROUPS[group].states.map((state) => [state, from]);
	return Object.fromEntries([...since("running", 0), ...since("waiting", 0), ...since("failed", day)]);
}

/** Whether the reader has chosen something. A list of one project has its project anyway. */
export function hasFilters(query: ListQuery, isOfProject = false): boolean {
	const names = ["state", "branch", "event", "author", "text"] as const;
	return names.some((name) => query[name] !== null) || (!isOfProject && query.project !== null);
}

interface FilterProps {
	/** The path of the list. */
	path: string;
	query: ListQuery;
	/** The values that may be chosen; null hides the choice. */
	projects: readonly string[] | null;
	counts: Readonly<Record<RunState, number>> | null;
	/** The name of the reader. */
	user: string;
}

/** Chips for the usual questions, and a form for all others. */
export function RunFilters({ path, query, projects, counts, user }: FilterProps) {
	const isFiltered = hasFilters(query, projects === null);
	return (
		<search>
			<div class="chips">
				<a class="chip" href={path} aria-current={isFiltered ? undefined : "true"}>
					All
				</a>
				{(Object.keys(GROUPS) as Group[]).map((group) => (
					<Chip key={group} group={group} path={path} query={query} counts={counts} />
				))}
				<a class="chip" href={addressOf(path, { ...query, author: user })} aria-current={query.author === user ? "true" : undefined}>
					Mine
				</a>
			</div>
			<details class="filters" open={isFiltered}>
				<summary class="soft small">Filter</summary>
				<form action={path} class="row" data-auto>
					{projects !== null && <Choice name="project" label="All projects" value={query.project} options={projects} />}
					<Choice name="state" label="All states" value={query.state} options={SHOWN} />
					<Choice name="event" label="All events" value={query.event} options={RUN_EVENTS} />
					<Field name="branch" label="Branch" value={query.branch} />
					<Field name="author" label="Author" value={query.author} />
					<Field name="text" label="Text" value={query.text} />
					<Choice name="per" label="50 a page" value={query.per === 50 ? null : String(query.per)} options={["25", "100", "200"]} />
					<button type="submit">Apply</button>
				</form>
			</details>
		</search>
	);
}

function Chip({ group, path, query, counts }: { group: Group } & Pick<FilterProps, "path" | "query" | "counts">) {
	const { label, tone, mark, states } = GROUPS[group];
	const n = counts && states.reduce((sum, state) => sum + counts[state], 0);
	return (
		<a
			class={`chip ${n === 0 ? "soft" : tone}`}
			href={addressOf(path, { ...query, state: group })}
			aria-current={query.state === group ? "true" : undefined}
		>
			<span aria-hidden="true">{mark}</span> {label} {n !== null && (n >= MOST_COUNTED ? `${MOST_COUNTED}+` : n)}
		</a>
	);
}

function Choice({ name, label, value, options }: { name: string; label: string; value: string | null; options: readonly string[] }) {
	return (
		<select name={name} aria-label={name}>
			<option value="">{label}</option>
			{options.map((option) => (
				<option key={option} value={option} selected={option === value}>
					{option.replaceAll("_", " ")}
				</option>
			))}
			{value !== null && !options.includes(value) && (
				<option value={value} selected>
					{value}
				</option>
			)}
		</select>
	);
}

function Field({ name, label, value }: { name: string; label: string; value: string | null }) {
	return (
		<label class="field">
			<input name={name} placeholder={label} aria-label={label} value={value ?? ""} />
		</label>
	);
}

/** The address of the list with these filters, at its first page. */
function addressOf(path: string, query: ListQuery, cursor: string | null = null): string {
	const { per, ...filters } = query;
	const given = { ...filters, cursor, per: per === 50 ? null : String(per) };
	const parameters = new URLSearchParams(Object.entries(given).flatMap(([name, value]) => (value === null ? [] : [[name, value]])));
	return parameters.size === 0 ? path : `${path}?${parameters}`;
}

/** Reads the filters of an address. An empty field of the form is no filter. */
export function withoutEmpty(parameters: URLSearchParams): URLSearchParams {
	return new URLSearchParams([...parameters].filter(([, value]) => value.trim() !== ""));
}

/** Links to the pages before and after. */
export function Pages({ path, query, next }: { path: string; query: ListQuery; next: string | null }) {
	if (query.cursor === null && next === null) return null;
	return (
		<nav class="row" aria-label="Pages">
			{query.cursor !== null && <a href={addressOf(path, query)}>← Newest</a>}
			{next !== null && <a href={addressOf(path, query, next)}>Older runs →</a>}
		</nav>
	);
}
