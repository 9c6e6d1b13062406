import type { RequestContext } from "../../http/route.ts";
import { page } from "../../ui/layout.tsx";

const KEYS = [
	["/", "search"],
	["j k", "the next and the previous item of a list; Enter opens it"],
	["g r", "runs"],
	["g p", "projects"],
	["g q", "queue"],
	["g a", "agents"],
	["g t", "tests"],
	["g s", "settings"],
	["g n", "a new run"],
	["?", "this page"],
] as const;

/** GET /keys: the keys of all pages. */
export function keysPage(context: RequestContext<"user">): Promise<Response> {
	return page(context, {
		title: "Keys",
		children: (
			<section class="narrow">
				<h1>Keys</h1>
				<dl class="pairs">
					{KEYS.map(([keys, what]) => (
						<>
							<dt>
								{keys.split(" ").map((key) => (
									<kbd key={key}>{key}</kbd>
								))}
							</dt>
							<dd>{what}</dd>
						</>
					))}
				</dl>
			</section>
		),
	});
}
