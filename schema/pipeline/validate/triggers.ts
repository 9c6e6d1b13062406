import * as z from "zod";
import { cronError, isTimeZone } from "../../wire/cron.ts";
import { isRef, REF_ERROR } from "../../wire/git.ts";
import { DEFAULT_PULL_REQUEST_EVENTS, PULL_REQUEST_EVENTS, type Trigger } from "../../wire/triggers.ts";
import { anyPathMatches, nameMatcher, patternError } from "../syntax/patterns.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { globs, rejectingPattern } from "./pattern_values.ts";
import { flag, isScalar, nonEmpty, oneOrMore, rejecting, shortText, strict, text, withinDuration, withShorthand } from "./values.ts";

/** `on`: the events that run a pipeline of a repository. */

const MAX_SCHEDULES = 20;

const namePattern = nonEmpty.pipe(z.string().max(200).superRefine(rejectingPattern(patternError)));
const branches = oneOrMore(namePattern, 50)
	.optional()
	.describe("Branches, such as `main`, `release/*`; `!` excludes. Of a pull request: its target branch. Default: all.");
const paths = globs(100)
	.optional()
	.describe("Only if one of these paths has changed; `!` excludes. If the changes are not known, all paths count as changed.");

const push = strict({
	branches,
	tags: oneOrMore(namePattern, 50)
		.optional()
		.describe("Tags; `!` excludes. With `tags` alone no branch matches, with `branches` alone no tag. Default: all."),
	paths,
});

const pullRequest = strict({
	branches,
	paths,
	events: oneOrMore(z.enum(PULL_REQUEST_EVENTS), PULL_REQUEST_EVENTS.length)
		.optional()
		.describe("`opened`, `updated` (commits, target branch), `ready_for_review`, `closed`. Default: all but `closed`."),
	drafts: flag.optional().describe("Whether drafts run it, too. Default: `true`."),
});

const mergeGroup = strict({ branches, paths });

const schedule = strict({
	cron: shortText.superRefine(rejecting(cronError)).describe("The times: minute, hour, day of the month, month, day of the week."),
	timezone: shortText
		.refine(isTimeZone, 'The time zone must have a name such as "Europe/Berlin".')
		.optional()
		.describe("The time zone of the times. Default: `UTC`."),
	branch: nonEmpty.refine(isRef, REF_ERROR).optional().describe("The branch to run. Default: the default branch of the project."),
	params: z.record(z.string(), text).optional().describe("The values of parameters. Default: their defaults."),
	expect: strict({ success_within: withinDuration.describe("How long a success may be away after the last one, such as `26h`.") })
		.optional()
		.describe("What an outside monitor and metrics watch: whether a success is overdue."),
});

const long = strict({
	push: orEmpty(push).optional().describe("A push of a branch or a tag."),
	pull_request: orEmpty(pullRequest).optional().describe("A pull request (or merge request) that is opened, or gets new commits."),
	merge_group: orEmpty(mergeGroup)
		.optional()
		.describe("A group of GitHub's merge queue. Without this key the filters of `pull_request`, or else of `push`, apply."),
	schedule: z
		.array(schedule)
		.min(1, "`schedule` must have at least one entry.")
		.max(MAX_SCHEDULES)
		.optional()
		.describe("Times at which the pipeline runs."),
});

const EVENT_NAMES = ["push", "pull_request", "merge_group"] as const;

/** The name of an event, a list of names, or a map of events to their filters. */
export const triggers = withShorthand(
	long,
	[
		{ type: "string", enum: [...EVENT_NAMES] },
		{ type: "array", items: { type: "string", enum: [...EVENT_NAMES] } },
	],
	(value) => {
		if (!isScalar(value) && !Array.isArray(value)) return value;
		return Object.fromEntries((Array.isArray(value) ? value : [value]).map((name) => [String(name), {}]));
	},
);
export type TriggersText = z.infer<typeof triggers>;
export type ScheduleText = z.infer<typeof schedule>;

/** `push:` without a value has no filters. */
function orEmpty<Value>(schema: z.ZodType<Value>): z.ZodType<Value> {
	return withShorthand(schema, [{ type: "null" }], (value) => value ?? {});
}

/**
 * Why a pipeline with this `on` does not run; null if it runs.
 *
 * Without `on` every push runs it, and every pull request of a fork, whose push sends no delivery.
 * A request or a schedule runs the file that it names, whatever its `on` says; without a name it
 * runs the files that a push of the branch or tag would run.
 * @param changed the paths that have changed; null where they are not known
 * @param isNamed whether the trigger names this file
 */
export function* whyNot(
	on: TriggersText | undefined,
	trigger: Trigger,
	changed: readonly string[] | null,
	isNamed: boolean,
): SlicedWork<string | null> {
	if (isNamed) return null;
	switch (trigger.kind) {
		case "manual":
		case "schedule":
		case "push":
		case "tag":
			return on === undefined ? null : yield* whyNotPushed(on, trigger, changed);
		case "pull_request":
			return on === undefined ? whyNotByDefault(trigger) : yield* whyNotPulled(on, trigger, changed);
		case "merge_group":
			return on === undefined ? null : yield* whyNotGrouped(on, trigger, changed);
	}
}

function* whyNotPushed(
	{ push: asked }: TriggersText,
	{ branch, tag }: Trigger,
	changed: readonly string[] | null,
): SlicedWork<string | null> {
	if (!asked) return "its `on` has no `push`";
	if (tag !== null) {
		if (asked.tags === undefined) return asked.branches === undefined ? null : "its `on.push` has branches only";
		return nameMatcher(asked.tags)(tag) ? null : `none of its tags matches ${tag}`;
	}
	if (asked.branches === undefined && asked.tags !== undefined) return "its `on.push` has tags only";
	if (asked.branches !== undefined && !nameMatcher(asked.branches)(branch ?? "")) return `none of its branches matches ${branch}`;
	return yield* whyNotChanged(asked.paths, changed);
}

function whyNotByDefault({ pull_request }: Trigger): string | null {
	if (pull_request?.event === "closed") return "the pull request was closed";
	return pull_request?.is_from_fork ? null : "the push of its branch runs it";
}

function* whyNotPulled(
	{ pull_request: asked }: TriggersText,
	trigger: Trigger,
	changed: readonly string[] | null,
): SlicedWork<string | null> {
	const { event = "opened", target = "", draft = false } = trigger.pull_request ?? {};
	if (!asked) return "its `on` has no `pull_request`";
	if (!(asked.events ?? DEFAULT_PULL_REQUEST_EVENTS).includes(event)) return `its \`on.pull_request.events\` does not have ${event}`;
	if (asked.drafts === false && draft && event !== "closed") return "its `on.pull_request` excludes drafts";
	if (asked.branches !== undefined && !nameMatcher(asked.branches)(target)) return `none of its branches matches ${target}`;
	return yield* whyNotChanged(asked.paths, changed);
}

/**
 * GitHub's merge queue waits for the checks that a pull request needs. So a pipeline for pull
 * requests into a branch, or for pushes of the branches that GitHub makes for merge groups, runs
 * for its merge groups, unless it has `merge_group` itself.
 */
function* whyNotGrouped(on: TriggersText, trigger: Trigger, changed: readonly string[] | null): SlicedWork<string | null> {
	const { merge_group: asked, pull_request: pulled } = on;
	const target = trigger.merge_target ?? "";
	const isForPulls = (pulled?.events ?? DEFAULT_PULL_REQUEST_EVENTS).some((event) => event !== "closed");
	const wanted = asked ?? (pulled && isForPulls ? pulled : undefined);
	if (!wanted) {
		const isPushed = on.push !== undefined && (yield* whyNotPushed(on, trigger, changed)) === null;
		return isPushed ? null : "its `on` has no `merge_group`";
	}
	if (wanted.branches !== undefined && !nameMatcher(wanted.branches)(target)) return `none of its branches matches ${target}`;
	return yield* whyNotChanged(wanted.paths, changed);
}

function* whyNotChanged(patterns: readonly string[] | undefined, changed: readonly string[] | null): SlicedWork<string | null> {
	if (patterns === undefined || changed === null) return null;
	return (yield* anyPathMatches(patterns, changed)) === false ? "none of its paths has changed" : null;
}
