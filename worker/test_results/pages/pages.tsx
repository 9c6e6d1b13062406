import type { RequestContext } from "../../http/route.ts";
import { page } from "../../ui/layout.tsx";
import { historyOf } from "../store.ts";
import { TestPage } from "./test_page.tsx";

type Reader = RequestContext<"user">;

const HISTORY_SHOWN = 100;

export async function testPage({ url, environment, principal }: Reader): Promise<Response> {
	const word = (name: string) => url.searchParams.get(name) ?? "";
	const test = { project: word("project"), pipeline: word("pipeline"), suite: word("suite"), name: word("name") };
	const rows = await historyOf(environment.DB, { team: principal.team, ...test }, HISTORY_SHOWN, null);
	const items = rows.map(({ at, ...row }) => ({ ...row, at: new Date(at).toISOString() }));
	return page({ title: test.name, user: principal.name, children: <TestPage test={test} history={{ items, next_cursor: null }} /> });
}
