import * as z from "zod";
import { cronError, isTimeZone } from "../../wire/cron.ts";
import { isRef, REF_ERROR } from "../../wire/git.ts";
import { DEFAULT_PULL_REQUEST_EVENTS, PULL_REQUEST_EVENTS, type Trigger } from "../../wire/triggers.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { anyPathMatches, nameMatcher, patternError } from "./patterns.ts";
import {
	flag,
	globs,
	isScalar,
	nonEmpty,
	oneOrMore,
	refusing,
	rejectingPattern,
	shortText,
	strict,
	text,
	withShorthand,
} from "./values.ts";

/** `on`: what makes a pipeline of a repository run by itself. */

const MAX_SCHEDULES = 20;

const namePattern = nonEmpty.pipe(z.string().max(200).superRefine(rejectingPattern(patternError)));
const branches = oneOrMore(namePattern, 50)
	.optional()
	.describe("Which branches, such as `main`, `release/*`; `!` excludes. Of a pull request: the one that it is to go into. Default: all.");
const paths = globs(100)
	.optional()
	.describe("Only if one of these paths has changed; `!` excludes. Where nobody can tell what has changed, it counts as changed.");

const push = strict({
	branches,
	tags: oneOrMore(namePattern, 50)
		.optional()
		.describe("Which tags; `!` excludes. With `tags` alone no branch counts, with `branches` alone no tag. Default: all."),
	paths,
});

const pullRequest = strict({
	branches,
	paths,
	events: oneOrMore(z.enum(PULL_REQUEST_EVENTS), PULL_REQUEST_EVENTS.length)
		.optional()
		.describe("`opened`, `updated` (commits, target branch), `ready_for_review`, `closed`. Default: all but `closed`."),
	drafts: flag.optional().describe("`false`: not for drafts. Default: `true`."),
});

const mergeGroup = strict({ branches, paths });

const schedule = strict({
	cron: shortText.superRefine(refusing(cronError)).describe("When: minute, hour, day of the month, month, day of the week."),
	timezone: shortText
		.refine(isTimeZone, 'is not a time zone such as "Europe/Berlin"')
		.optional()
		.describe("The time zone that the times are meant in. Default: `UTC`."),
	branch: nonEmpty.refine(isRef, REF_ERROR).optional().describe("The branch to run. Default: the main line of the project."),
	params: z.record(z.string(), text).optional().describe("The parameters to run with. Default: their defaults."),
});

const long = strict({
	push: orEmpty(push).optional().describe("A branch or a tag that was pushed."),
	pull_request: orEmpty(pullRequest).optional().describe("A pull request (or merge request) that was opened, or got new commits."),
	merge_group: orEmpty(mergeGroup)
		.optional()
		.describe("A group of GitHub's merge queue. Without this key: what runs for pull requests into its branch."),
	schedule: z.array(schedule).min(1, "at least one is needed").max(MAX_SCHEDULES).optional().describe("Times at which it runs."),
});

const EVENT_NAMES = ["push", "pull_request", "merge_group"] as const;

/** The name of an event, a list of names, or a map of events to what is asked of them. */
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

/** `push:` with nothing behind it asks for nothing. */
function orEmpty<Value>(schema: z.ZodType<Value>): z.ZodType<Value> {
	return withShorthand(schema, [{ type: "null" }], (value) => value ?? {});
}

/**
 * Why a pipeline with this `on` is not to run; null if it is.
 *
 * Without `on` a push is enough, and a pull request from another repository, whose commits no push has brought. Somebody who asks, or a time that has
 * come, runs the file that is named, whatever its `on` says; where none is named, what a push of the branch or tag would run.
 * @param changed the paths that have changed; null where nobody can tell
 * @param isNamed whether this very file is meant
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
	if (!asked) return "it does not ask for pushes";
	if (tag !== null) {
		if (asked.tags === undefined) return asked.branches === undefined ? null : "it asks for branches only";
		return nameMatcher(asked.tags)(tag) ? null : `no pattern of its tags matches ${tag}`;
	}
	if (asked.branches === undefined && asked.tags !== undefined) return "it asks for tags only";
	if (asked.branches !== undefined && !nameMatcher(asked.branches)(branch ?? "")) return `no pattern of its branches matches ${branch}`;
	return yield* whyNotChanged(asked.paths, changed);
}

function whyNotByDefault({ pull_request }: Trigger): string | null {
	if (pull_request?.event === "closed") return "the pull request was closed";
	return pull_request?.is_from_fork ? null : "the push of its branch has made a run already";
}

function* whyNotPulled(
	{ pull_request: asked }: TriggersText,
	trigger: Trigger,
	changed: readonly string[] | null,
): SlicedWork<string | null> {
	const { event = "opened", target = "", draft = false } = trigger.pull_request ?? {};
	if (!asked) return "it does not ask for pull requests";
	if (!(asked.events ?? DEFAULT_PULL_REQUEST_EVENTS).includes(event)) return `it does not ask for pull requests that are ${event}`;
	if (asked.drafts === false && draft && event !== "closed") return "it does not ask for drafts";
	if (asked.branches !== undefined && !nameMatcher(asked.branches)(target)) return `no pattern of its branches matches ${target}`;
	return yield* whyNotChanged(asked.paths, changed);
}

/**
 * A queue waits for the checks that a pull request needs: what runs for pull requests into a branch runs for its merge groups, unless the
 * pipeline says something of merge groups itself; and so does what runs for pushes of every branch that GitHub makes for them.
 */
function* whyNotGrouped(on: TriggersText, trigger: Trigger, changed: readonly string[] | null): SlicedWork<string | null> {
	const { merge_group: asked, pull_request: pulled } = on;
	const target = trigger.merge_target ?? "";
	const isForPulls = (pulled?.events ?? DEFAULT_PULL_REQUEST_EVENTS).some((event) => event !== "closed");
	const wanted = asked ?? (pulled && isForPulls ? pulled : undefined);
	if (!wanted) {
		const isPushed = on.push !== undefined && (yield* whyNotPushed(on, trigger, changed)) === null;
		return isPushed ? null : "it does not ask for merge groups";
	}
	if (wanted.branches !== undefined && !nameMatcher(wanted.branches)(target)) return `no pattern of its branches matches ${target}`;
	return yield* whyNotChanged(wanted.paths, changed);
}

function* whyNotChanged(patterns: readonly string[] | undefined, changed: readonly string[] | null): SlicedWork<string | null> {
	if (patterns === undefined || changed === null) return null;
	return (yield* anyPathMatches(patterns, changed)) === false ? "none of its paths has changed" : null;
}
