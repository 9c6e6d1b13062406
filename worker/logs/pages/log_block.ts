import type { Queried, RequestContext } from "../../http/route.ts";
import { FRAGMENT_HEADERS } from "../../ui/layout.tsx";
import type { LINES } from "../api.ts";
import { readLineBlock } from "../line_index.ts";
import { requireAttempt } from "../service.ts";
import { renderLines } from "./log_lines.tsx";

/**
 * GET /jobs/:id/log/block: lines as markup, for a page that shows a part of a long log. Headers
 * have their numbers, the next offset and the size of the log.
 */
export async function logBlock({
	query,
	environment,
	principal,
	params,
}: RequestContext<"user"> & Queried<typeof LINES>): Promise<Response> {
	const attempt = await requireAttempt(environment, principal.team, params.id ?? "", query.attempt);
	const block = await readLineBlock(environment, attempt, query.from, query.count);
	return new Response(renderLines(block.lines, block.first + 1), {
		headers: {
			...FRAGMENT_HEADERS,
			"X-First-Line": String(block.first),
			"X-Line-Count": String(block.lines.length),
			"X-Next-Offset": String(block.nextOffset),
			"X-Total-Lines": String(block.total),
		},
	});
}
