import * as z from "zod";
import type { Page } from "../../schema/wire/resources.ts";

/** The shape of one page of a list. */
export const listOf = (item: z.ZodType) => z.object({ items: z.array(item), next_cursor: z.string().nullable() });

/** A page of rows, from a query for `limit` + 1 rows. */
export function pageOf<Row extends { id: string }, Item>(rows: readonly Row[], limit: number, present: (row: Row) => Item): Page<Item> {
	const shown = rows.slice(0, limit);
	return { items: shown.map(present), next_cursor: rows.length > limit ? (shown.at(-1)?.id ?? null) : null };
}
