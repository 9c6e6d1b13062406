import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import { firstId } from "../../schema/wire/ids.ts";
import { countRuns, listRuns, type RunFilter } from "../../worker/record/run_lists.ts";

/** Lists of runs, over a history that is written straight into D1. */

const TEAM = "lists";
const RUNS = 12_000;
const BEGIN = Date.UTC(2026, 0, 1);
const idOf = (index: number) => `${firstId("run", BEGIN).slice(0, -8)}${String(index).padStart(8, "0")}`;

beforeAll(async () => {
	const id = `'${firstId("run", BEGIN).slice(0, -8)}' || printf('%08d', i)`;
	await env.DB.prepare(
		`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO runs (id, team, rev, project, number, pipeline, state, trigger_kind, trigger_actor, priority, warnings, definition, branch,
			commit_sha, commit_message, commit_author, created_at)
		SELECT ${id}, '${TEAM}', i, iif(i % 3 = 0, 'web', 'api'), i, iif(i = 100, 'rare', 'ci'),
			CASE WHEN i % 10 = 0 THEN 'failed' WHEN i % 10 = 1 THEN 'timed_out' WHEN i > ? - 3 THEN 'running' ELSE 'succeeded' END,
			iif(i % 2 = 0, 'push', 'api'), 'ada', 0, 0, 'd', iif(i % 4 = 0, 'main', 'dev'),
			printf('%040x', i), iif(i = 9000, 'Fix 100% of_it', 'Change'), iif(i = 5, 'Grace <g@lan>', 'Kim'), ? FROM n`,
	)
		.bind(RUNS, RUNS, BEGIN)
		.run();
});

async function listed(filter: RunFilter, limit = 3) {
	const { rows, next } = await listRuns(env.DB, TEAM, { ...filter, limit, after: null });
	return { numbers: rows.map(({ number }) => number), next };
}

/** All pages of a list. */
async function whole(filter: RunFilter, limit: number): Promise<{ numbers: number[]; pages: number }> {
	const numbers: number[] = [];
	let pages = 0;
	for (let after: string | null = null; pages === 0 || after !== null; pages += 1) {
		const { rows, next } = await listRuns(env.DB, TEAM, { ...filter, limit, after });
		numbers.push(...rows.map(({ number }) => number));
		after = next;
	}
	return { numbers, pages };
}

describe("a list of runs", () => {
	test("is newest first, by pages of a fixed size", async () => {
		expect(await listed({})).toEqual({ numbers: [12_000, 11_999, 11_998], next: idOf(11_998) });
		const { numbers, pages } = await whole({ project: "web" }, 500);
		expect([numbers.length, pages, numbers.at(-1)]).toEqual([4_000, 8, 3]);
	});

	test("of several states is one list in order, and loses none", async () => {
		const { numbers } = await whole({ states: ["failed", "timed_out"] }, 70);
		expect(numbers).toEqual([...numbers].sort((a, b) => b - a));
		expect([numbers.length, new Set(numbers).size]).toEqual([2_400, 2_400]);
	});

	test.each<[string, RunFilter, number[]]>([
		["event and branch", { project: "web", event: "push", branch: "main" }, [12_000, 11_988, 11_976]],
		["author, by name or by submission", { project: "web", author: "ada" }, [12_000, 11_997, 11_994]],
		["text in the commit message, as it is", { text: "100% of_it" }, [9_000]],
		["commit", { text: (11_999).toString(16).padStart(40, "0") }, [11_999]],
		["number", { text: "#11998" }, [11_998]],
		["state in a project", { project: "web", states: ["failed"] }, [12_000, 11_970, 11_940]],
	])("is filtered by %s", async (_, filter, expected) => {
		expect((await listed(filter)).numbers).toEqual(expected);
	});

	test("looks at a bounded number of runs for one page, and says where to go on", async () => {
		const first = await listed({ text: "rare" });
		expect(first).toEqual({ numbers: [], next: idOf(RUNS - 4_999) });
		const { numbers, pages } = await whole({ text: "rare" }, 3);
		expect([numbers, pages]).toEqual([[100], 3]);
		expect((await whole({ author: "Grace" }, 3)).numbers).toEqual([5]);
	});

	test("is counted by state since a time, up to a bound", async () => {
		const counts = await countRuns(env.DB, TEAM, { running: 0, failed: 0, queued: 0 });
		expect([counts.running, counts.failed, counts.queued]).toEqual([2, 1_000, 0]);
		expect((await countRuns(env.DB, TEAM, { failed: BEGIN + 86_400_000 })).failed).toBe(0);
	});
});
