import { describe, expect, test } from "vitest";
import { type Occasion, type RepositoryFile, readingRepositoryFile } from "../../schema/pipeline/parse/repository_file.ts";
import { type ResolvedJob, readDefinition } from "../../schema/pipeline/resolve/resolved.ts";
import { runFacts } from "../../schema/pipeline/resolve/run_facts.ts";
import { decide } from "../../schema/pipeline/runtime/decide.ts";
import { doneAtOnce } from "../../schema/pipeline/syntax/sliced_work.ts";
import { cronError, nextTime } from "../../schema/wire/cron.ts";
import type { ApiError, FieldError } from "../../schema/wire/errors.ts";
import type { Trigger } from "../../schema/wire/triggers.ts";

const SHA = "a".repeat(40);
const push = (branch: string): Trigger => ({
	kind: "push",
	ref: `refs/heads/${branch}`,
	branch,
	tag: null,
	sha: SHA,
	before: null,
	message: "m",
	pull_request: null,
	actor: "ada",
});
const tag = (name: string): Trigger => ({ ...push(""), kind: "tag", ref: `refs/tags/${name}`, branch: null, tag: name });
const pull = (target: string, more: Partial<NonNullable<Trigger["pull_request"]>> = {}): Trigger => ({
	...push("feature"),
	kind: "pull_request",
	ref: "refs/pull/7/head",
	pull_request: { number: 7, event: "opened", title: "t", target, is_from_fork: false, ...more },
});
const group = (target: string): Trigger => ({
	...push(`gh-readonly-queue/${target}/pr-7-${SHA}`),
	kind: "merge_group",
	merge_target: target,
});
const other = (kind: "schedule" | "manual"): Trigger => ({ ...push("main"), kind, sha: null });

const occasion = (trigger: Trigger, changed: string[] | null = null, isNamed = false): Occasion => ({
	trigger,
	changed,
	sha: "5".repeat(40),
	baseSha: null,
	project: "web",
	repository: { address: "https://git.test/web.git", branch: "main" },
	params: {},
	included: new Map(),
	isNamed,
});
const parseRepositoryFile = (file: RepositoryFile, one: Occasion) => {
	const { wanted, ...read } = doneAtOnce(readingRepositoryFile(file, one));
	if ("error" in wanted) throw wanted.error;
	return { ...read, wanted };
};
const read = (text: string, trigger: Trigger, changed: string[] | null = null) =>
	parseRepositoryFile({ path: ".windlass/ci.yml", text }, occasion(trigger, changed));
const decision = (on: string, trigger: Trigger, changed: string[] | null = null): string => {
	const { wanted } = read(`${on}\nsteps: [x]`, trigger, changed);
	return "because" in wanted ? wanted.because : "runs";
};
const errorsIn = (text: string): [number | null, number | null, string][] => {
	try {
		read(text, push("main"));
	} catch (error) {
		return ((error as ApiError).details.errors as FieldError[]).map(({ line, column, message }) => [line, column, message]);
	}
	return [];
};

describe("on", () => {
	test.each<[string, string, Trigger, string[] | null, string]>([
		["nothing said: a push", "", push("any/thing"), null, "runs"],
		["nothing said: a tag", "", tag("v1"), null, "runs"],
		["nothing said: a pull request of one's own", "", pull("main"), null, "the push of its branch runs it"],
		["nothing said: one from another repository", "", pull("main", { is_from_fork: true }), null, "runs"],
		["nothing said: one that was closed", "", pull("main", { is_from_fork: true, event: "closed" }), null, "the pull request was closed"],
		["a name alone", "on: push", push("x"), null, "runs"],
		["a name alone, and another event", "on: push", pull("main"), null, "its `on` has no `pull_request`"],
		["a list of names", "on: [push, pull_request]", pull("main"), null, "runs"],
		["nothing behind the colon", "on: { push: }", push("x"), null, "runs"],
		["branches", "on: { push: { branches: [main, 'release/*'] } }", push("release/1"), null, "runs"],
		["a branch below", "on: { push: { branches: 'release/*' } }", push("release/1/2"), null, "none of its branches matches release/1/2"],
		["a name is no folder", "on: { push: { branches: main } }", push("main/2"), null, "none of its branches matches main/2"],
		["all below", "on: { push: { branches: 'release/**' } }", push("release/1/2"), null, "runs"],
		["all but", "on: { push: { branches: '!wip/**' } }", push("main"), null, "runs"],
		["all but that", "on: { push: { branches: ['**', '!wip/**'] } }", push("wip/a"), null, "none of its branches matches wip/a"],
		["branches alone leave out tags", "on: { push: { branches: '**' } }", tag("v1"), null, "its `on.push` has branches only"],
		["tags alone leave out branches", "on: { push: { tags: 'v*' } }", push("main"), null, "its `on.push` has tags only"],
		["tags", "on: { push: { tags: 'v*' } }", tag("v1.2"), null, "runs"],
		["another tag", "on: { push: { tags: 'v*' } }", tag("w1"), null, "none of its tags matches w1"],
		["both", "on: { push: { tags: 'v*', branches: main } }", tag("v1"), null, "runs"],
		["paths", "on: { push: { paths: 'src/**' } }", push("x"), ["src/a"], "runs"],
		["other paths", "on: { push: { paths: 'src/**' } }", push("x"), ["docs/a"], "none of its paths has changed"],
		["paths but", "on: { push: { paths: ['**', '!docs/**'] } }", push("x"), ["docs/a"], "none of its paths has changed"],
		["paths that nobody can tell", "on: { push: { paths: 'src/**' } }", push("x"), null, "runs"],
		["paths are not asked of a tag", "on: { push: { paths: 'src/**' } }", tag("v1"), ["docs/a"], "runs"],
		["where a pull request is to go", "on: { pull_request: { branches: main } }", pull("main"), null, "runs"],
		["where another is", "on: { pull_request: { branches: main } }", pull("dev"), null, "none of its branches matches dev"],
		["new commits of one", "on: { pull_request: }", pull("main", { event: "updated" }), null, "runs"],
		[
			"the end of one",
			"on: { pull_request: }",
			pull("main", { event: "closed" }),
			null,
			"its `on.pull_request.events` does not have closed",
		],
		["the end alone", "on: { pull_request: { events: closed } }", pull("main", { event: "closed" }), null, "runs"],
		["a draft", "on: pull_request", pull("main", { draft: true }), null, "runs"],
		["no drafts", "on: { pull_request: { drafts: false } }", pull("main", { draft: true }), null, "its `on.pull_request` excludes drafts"],
		["no drafts, and it is none", "on: { pull_request: { drafts: false } }", pull("main", { draft: false }), null, "runs"],
		["no drafts, and it is ready", "on: { pull_request: { drafts: false } }", pull("main", { event: "ready_for_review" }), null, "runs"],
		[
			"only new ones, and it is ready",
			"on: { pull_request: { events: opened } }",
			pull("main", { event: "ready_for_review" }),
			null,
			"its `on.pull_request.events` does not have ready_for_review",
		],
		["nothing said: a merge group", "", group("main"), null, "runs"],
		["a merge group", "on: merge_group", group("main"), null, "runs"],
		["a merge group into another", "on: { merge_group: { branches: dev } }", group("main"), null, "none of its branches matches main"],
		["a merge group without its paths", "on: { merge_group: { paths: src/** } }", group("main"), ["a"], "none of its paths has changed"],
		["a merge group as for pull requests", "on: { pull_request: { branches: main } }", group("main"), null, "runs"],
		[
			"a merge group as for pull requests into another",
			"on: { pull_request: { branches: dev }, push: {} }",
			group("main"),
			null,
			"none of its branches matches main",
		],
		[
			"a merge group of what runs at their end",
			"on: { pull_request: { events: closed } }",
			group("main"),
			null,
			"its `on` has no `merge_group`",
		],
		["a merge group of what every push runs", "on: push", group("main"), null, "runs"],
		[
			"a merge group of what its branch does not run",
			"on: { push: { branches: main } }",
			group("main"),
			null,
			"its `on` has no `merge_group`",
		],
		["only pull requests", "on: pull_request", push("x"), null, "its `on` has no `push`"],
		["somebody asks for what a push would run", "on: { push: { branches: main } }", other("manual"), null, "runs"],
		["and a push would not", "on: { push: { branches: dev } }", other("manual"), null, "none of its branches matches main"],
		["a time has come for what a push would run", "", other("schedule"), null, "runs"],
		["only at its time", "on: { schedule: [{ cron: '0 3 * * *' }] }", push("main"), null, "its `on` has no `push`"],
	])("%s", (_, on, trigger, changed, expected) => {
		expect(decision(on, trigger, changed)).toBe(expected);
	});

	test("a file that is named runs, whatever it says", () => {
		const text = "on: { schedule: [{ cron: '0 3 * * *' }] }\nsteps: [x]";
		for (const kind of ["schedule", "manual"] as const) {
			const { wanted } = parseRepositoryFile({ path: "a.yml", text }, occasion(other(kind), null, true));
			expect("submission" in wanted).toBe(true);
		}
	});

	test("what is run is the commit of the trigger; conditions know what it was", () => {
		const text =
			'on: pull_request\njobs: { a: { if: \'run.pull_request == "7" && run.target_branch == "main" && run.event == "pull_request"\', steps: [x] } }';
		const { name, wanted } = read(text, pull("main"), ["a"]);
		expect([name, wanted]).toMatchObject([
			"ci",
			{
				submission: {
					project: "web",
					pipeline: {
						name: "ci",
						source: { git: "https://git.test/web.git", ref: "refs/pull/7/head" },
						branch: "feature",
						pull_request: { number: 7, target: "main" },
					},
				},
			},
		]);
		expect(read("name: named\nsteps: [x]", push("main")).name).toBe("named");
		expect(parseRepositoryFile({ path: ".windlass.yml", text: "steps: [x]" }, occasion(push("main"))).name).toBe("pipeline");
	});

	test("expressions know whether a pull request is a draft, its labels, and where a merge group goes", () => {
		const decided = (condition: string, trigger: Trigger) => {
			const text = `on: [pull_request, push]\njobs: { a: { if: '${condition}', env: { DRAFT: '\${{ run.draft }}' }, steps: [x] } }`;
			const { wanted } = read(text, trigger);
			if (!("submission" in wanted)) return wanted.because;
			const { pipeline } = wanted.submission;
			// As the queue reads it, from what it has stored.
			const stored = readDefinition(JSON.stringify(pipeline));
			const [job] = stored.jobs;
			const run = runFacts(stored, "web", trigger.kind);
			const decision = decide(job as ResolvedJob, { pipeline: stored, run, needs: [], ancestors: () => [] });
			return decision.is === "ready" ? decision.job.env.DRAFT : decision.is;
		};
		const labeled = pull("main", { draft: true, labels: ["deploy", "ui"] });
		expect(decided('run.draft && "deploy" in run.labels && size(run.labels) == 2', labeled)).toBe("true");
		expect(decided('!run.draft || "Deploy" in run.labels', labeled)).toBe("skipped");
		expect(decided("!run.draft && size(run.labels) == 0", push("main"))).toBe("false");
		expect(decided('run.event == "merge_group" && run.target_branch == "main" && run.pull_request == ""', group("main"))).toBe("false");
		for (const wrong of ["run.labels == true", "run.labels", 'run.draft == "true"', "run.label"])
			expect(() => decided(wrong, labeled)).toThrow();
	});

	test("a pull request of the repository itself differs from the push of the same commit", () => {
		const isBeside = (on: string, trigger: Trigger) => {
			const { wanted } = read(`on: ${on}\nsteps: [x]`, trigger);
			return "submission" in wanted && wanted.submission.pipeline.is_beside_push;
		};
		expect(isBeside("{ push: {}, pull_request: {} }", pull("main"))).toBe(true);
		expect(isBeside("{ push: {}, pull_request: {} }", pull("main", { is_from_fork: true }))).toBe(false);
		expect(isBeside("{ push: { branches: main }, pull_request: {} }", pull("main"))).toBe(false);
		expect(isBeside("pull_request", pull("main"))).toBe(false);
		expect(isBeside("push", push("feature"))).toBe(false);
	});

	test("a pipeline file lists its schedules and their parameters", () => {
		const text =
			"on: { schedule: [{ cron: '0 3 * * 1-5', timezone: Europe/Berlin, branch: dev, params: { a: b } }] }\nparams: { a: {} }\nsteps: [x]";
		expect(read(text, push("main")).schedules).toEqual([
			{ cron: "0 3 * * 1-5", timezone: "Europe/Berlin", branch: "dev", params: { a: "b" } },
		]);
	});

	test.each([
		["an unknown event", "on: pushed\nsteps: [x]", [1, 5, "Unknown key `pushed` in `on`."]],
		["an unknown key", "on: { push: { branch: main } }\nsteps: [x]", [1, 15, "Unknown key `branch` in `on.push`."]],
		[
			"an event of a pull request that is none",
			"on: { pull_request: { events: merged } }\nsteps: [x]",
			[1, 31, 'Unknown value: text "merged".'],
		],
		[
			"no cron",
			"on: { schedule: [{ cron: never }] }\nsteps: [x]",
			[1, 26, expect.stringContaining('"never" is not a cron pattern of five fields')],
		],
		["seconds in a cron", "on: { schedule: [{ cron: '0 0 3 * * 1' }] }\nsteps: [x]", [1, 26, expect.stringContaining("five fields")]],
		["a day that never comes", "on: { schedule: [{ cron: '0 3 31 2 *' }] }\nsteps: [x]", [1, 26, '"0 3 31 2 *" never comes']],
		[
			"no time zone",
			"on: { schedule: [{ cron: '0 3 * * *', timezone: Berlin }] }\nsteps: [x]",
			[1, 49, expect.stringContaining("The time zone must have a name")],
		],
		[
			"a branch that is no pattern",
			"on: { push: { branches: [main, 'release-[z-a]'] } }\nsteps: [x]",
			[1, 32, expect.stringContaining('"release-[z-a]" is not a pattern')],
		],
		["a path that is no pattern", "on: { push: { paths: '[z-a]/**' } }\nsteps: [x]", [1, 22, expect.stringContaining("is not a pattern")]],
		["a source of its own", "source: { git: /x }\nsteps: [x]", [1, 11, expect.stringContaining("is for submitted pipelines")]],
	])("%s is rejected", (_, text, expected) => {
		expect(errorsIn(text)).toContainEqual(expected);
	});

	test("a file with errors still has the name in its text, if the name can be read", () => {
		const nameOf = (file: RepositoryFile) => doneAtOnce(readingRepositoryFile(file, occasion(push("main")))).name;
		expect(nameOf({ path: ".windlass/ci.yml", text: "name: web ci\njobs: 3" })).toBe("web ci");
		expect(nameOf({ path: ".windlass/ci.yml", text: "name: [" })).toBe("ci");
		expect(nameOf({ path: ".windlass.yml", text: "" })).toBe("pipeline");
	});
});

describe("notify", () => {
	test.each([
		["both", "notify: { webhook: 'https://x.test', slack: s, secret: k }\nsteps: [x]", "A notification has either `webhook` or `slack`."],
		["neither", "notify: { on: failure }\nsteps: [x]", "A notification has either `webhook` or `slack`."],
		["a webhook that is not signed", "notify: { webhook: 'https://x.test' }\nsteps: [x]", "A webhook needs `secret`, which signs it."],
		["a secret for nothing", "notify: { slack: s, secret: k }\nsteps: [x]", "A Slack notification takes no `secret`. Remove it."],
		["no address", "notify: { webhook: x, secret: k }\nsteps: [x]", expect.stringContaining("The address must be like")],
		["no event", "notify: { on: always, slack: s }\nsteps: [x]", 'Unknown value: text "always".'],
	])("%s is rejected", (_, text, message) => {
		expect(errorsIn(text).map(([, , said]) => said)).toContainEqual(message);
	});

	test("one stands for a list; without `on` it is failures and what ends them", () => {
		const { wanted } = read("notify: { slack: chat }\nsteps: [x]", push("main"));
		expect("submission" in wanted && wanted.submission.pipeline.notify).toEqual([{ on: ["failure", "fixed"], to: { slack: "chat" } }]);
	});
});

describe("cron", () => {
	const at = (text: string) => new Date(text).getTime();
	/** Every time from one moment to another. */
	const times = (cron: string, zone: string, from: string, to: string): string[] => {
		const found: string[] = [];
		for (let next = nextTime(cron, zone, at(from)); next !== null && next < at(to); next = nextTime(cron, zone, next))
			found.push(new Date(next).toISOString().slice(0, 16));
		return found;
	};

	test.each<[string, string, string, string, string, string[]]>([
		[
			"Berlin, spring: half past two does not exist and comes at once after",
			"30 2 * * *",
			"Europe/Berlin",
			"2026-03-28T12:00Z",
			"2026-03-31T12:00Z",
			["2026-03-29T01:00", "2026-03-30T00:30", "2026-03-31T00:30"],
		],
		[
			"Berlin, autumn: half past two is there twice and comes once",
			"30 2 * * *",
			"Europe/Berlin",
			"2026-10-24T12:00Z",
			"2026-10-27T00:00Z",
			["2026-10-25T00:30", "2026-10-26T01:30"],
		],
		[
			"Berlin, spring: every half hour goes on",
			"*/30 * * * *",
			"Europe/Berlin",
			"2026-03-29T00:15Z",
			"2026-03-29T02:15Z",
			["2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30", "2026-03-29T02:00"],
		],
		[
			"Berlin, autumn: every half hour goes on, in both of the hours",
			"*/30 * * * *",
			"Europe/Berlin",
			"2026-10-24T23:45Z",
			"2026-10-25T02:15Z",
			["2026-10-25T00:00", "2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30", "2026-10-25T02:00"],
		],
		[
			"Berlin, autumn: of a list of hours, too, each comes once",
			"30 2,3 * * *",
			"Europe/Berlin",
			"2026-10-24T12:00Z",
			"2026-10-25T12:00Z",
			["2026-10-25T00:30", "2026-10-25T02:30"],
		],
		[
			"Lord Howe, autumn: a step of half an hour",
			"45 1-2 * * *",
			"Australia/Lord_Howe",
			"2026-04-04T12:00Z",
			"2026-04-05T00:00Z",
			["2026-04-04T14:45", "2026-04-04T16:15"],
		],
		[
			"Berlin: the time of day stays, whatever the clocks do",
			"0 9 * * *",
			"Europe/Berlin",
			"2026-03-28T00:00Z",
			"2026-03-30T00:00Z",
			["2026-03-28T08:00", "2026-03-29T07:00"],
		],
		[
			"New York, spring",
			"30 2 * * *",
			"America/New_York",
			"2026-03-07T12:00Z",
			"2026-03-10T00:00Z",
			["2026-03-08T07:00", "2026-03-09T06:30"],
		],
		[
			"New York, autumn",
			"30 1 * * *",
			"America/New_York",
			"2026-10-31T12:00Z",
			"2026-11-03T00:00Z",
			["2026-11-01T05:30", "2026-11-02T06:30"],
		],
		[
			"New York, weekdays",
			"0 3 * * 1-5",
			"America/New_York",
			"2026-11-26T12:00Z",
			"2026-12-01T12:00Z",
			["2026-11-27T08:00", "2026-11-30T08:00", "2026-12-01T08:00"],
		],
		["UTC knows no summer", "30 2 * * *", "UTC", "2026-03-28T12:00Z", "2026-03-30T12:00Z", ["2026-03-29T02:30", "2026-03-30T02:30"]],
	])("%s", (_, cron, zone, from, to, expected) => {
		expect(times(cron, zone, from, to)).toEqual(expected);
	});

	/** Patterns with the minutes and hours that they mean, and how they go on through a change of clocks. */
	const range = (from: number, to: number, step = 1) =>
		Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, n) => from + n * step);
	const EVERY_HOUR = range(0, 23);
	const PATTERNS: [string, number[], number[], "by the clock" | "once" | "once, no gaps"][] = [
		["*/20 * * * *", [0, 20, 40], EVERY_HOUR, "by the clock"],
		["17 * * * *", [17], EVERY_HOUR, "by the clock"],
		["0 */2 * * *", [0], range(0, 23, 2), "by the clock"],
		["15,45 0-23 * * *", [15, 45], EVERY_HOUR, "by the clock"],
		["@hourly", [0], EVERY_HOUR, "by the clock"],
		["30 2 * * *", [30], [2], "once"],
		["0 0 * * *", [0], [0], "once"],
		["@daily", [0], [0], "once"],
		["0,30 0-3 * * *", [0, 30], range(0, 3), "once"],
		["59 23 * * *", [59], [23], "once"],
		["5 1,2,3 * * *", [5], [1, 2, 3], "once"],
		["0 1-5/2 * * *", [0], [1, 3, 5], "once"],
		["45 22-23 * * *", [45], [22, 23], "once"],
		["*/20 2 * * *", [0, 20, 40], [2], "once, no gaps"],
		["*/7 0-3 * * *", range(0, 59, 7), range(0, 3), "once, no gaps"],
		["10-50/20 1-3 * * *", [10, 30, 50], [1, 2, 3], "once, no gaps"],
	];
	const MINUTE = 60_000;
	const HOUR = 60 * MINUTE;
	const aheadIn = (zone: string) => {
		const clock = new Intl.DateTimeFormat("en", { timeZone: zone, timeZoneName: "longOffset" });
		return (time: number) => {
			const [, sign = "+", hours = "0", minutes = "0"] = /GMT([+-])(\d\d):(\d\d)/.exec(clock.format(time)) ?? [];
			return Number(`${sign}1`) * (Number(hours) * 60 + Number(minutes)) * MINUTE;
		};
	};
	/** When the clocks of a zone change, and by how much they are ahead of UTC before and after. */
	function* changesIn(zone: string, from: number, to: number) {
		const ahead = aheadIn(zone);
		for (let day = from; day < to; day += 7 * 24 * HOUR) {
			const [before, after] = [ahead(day), ahead(day + 7 * 24 * HOUR)];
			if (before === after) continue;
			let [low, high] = [day, day + 7 * 24 * HOUR];
			while (high - low > MINUTE) {
				const middle = low + Math.floor((high - low) / 2 / MINUTE) * MINUTE;
				if (ahead(middle) === before) low = middle;
				else high = middle;
			}
			yield { change: high, before, after };
		}
	}

	test("in every zone, through every change of clocks of two years, times come as the rule says", () => {
		const shown = (list: Iterable<number>) => [...list].sort((a, b) => a - b).map((time) => new Date(time).toISOString());
		let turn = 0;
		for (const zone of Intl.supportedValuesOf("timeZone")) {
			for (const { change, before, after } of changesIn(zone, at("2026-11-01T00:00Z"), at("2028-11-01T00:00Z"))) {
				const [begin, end] = [change - 4 * HOUR, change + 4 * HOUR];
				// All patterns take their turns.
				const [pattern, minutes, hours, rule] = PATTERNS[turn++ % PATTERNS.length] as (typeof PATTERNS)[number];
				const isMeant = (time: number) => minutes.includes((time / MINUTE) % 60) && hours.includes(Math.floor(time / HOUR) % 24);
				const expected = new Set<number>();
				for (let time = begin; time < end; time += MINUTE) {
					const clock = time + (time < change ? before : after);
					const isSecond = time >= change && clock < change + before;
					if (isMeant(clock) && (rule === "by the clock" || !isSecond)) expected.add(time);
				}
				for (let gone = change + before; rule === "once" && gone < change + after; gone += MINUTE) if (isMeant(gone)) expected.add(change);
				const found: number[] = [];
				for (let time = nextTime(pattern, zone, begin - 1); time !== null && time < end; time = nextTime(pattern, zone, time))
					found.push(time);
				expect([zone, pattern, shown(found)]).toEqual([zone, pattern, shown(expected)]);
			}
		}
		expect(turn).toBeGreaterThan(300);
	});

	test("years may pass until the next time, whatever the clocks do meanwhile", () => {
		expect(times("0 * 29 2 *", "America/New_York", "2026-11-01T00:00Z", "2028-02-29T06:30Z")).toEqual([
			"2028-02-29T05:00",
			"2028-02-29T06:00",
		]);
		expect(times("30 2 29 2 *", "Europe/Berlin", "2026-11-01T00:00Z", "2032-03-01T00:00Z")).toEqual([
			"2028-02-29T01:30",
			"2032-02-29T01:30",
		]);
	});

	test("a pattern has five fields, and comes at some time", () => {
		expect(cronError("0 3 * * 1-5")).toBeNull();
		expect(cronError("0 3 29 2 *")).toBeNull();
		for (const wrong of ["", "x", "* * * *", "* * * * * *", "61 * * * *", "0 3 31 2 *"])
			expect([wrong, cronError(wrong)]).toEqual([wrong, expect.any(String)]);
	});
});
