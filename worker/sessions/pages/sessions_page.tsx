import type { Session } from "../../../schema/wire/sessions.ts";
import type { RequestContext } from "../../http/route.ts";
import { page } from "../../ui/layout.tsx";
import { PostForm } from "../../ui/post_form.tsx";
import { Ago } from "../../ui/words.tsx";
import { endOne, sessionsOf } from "../service.ts";

/** GET /sessions: the signed-in browsers. */
export async function sessionsPage(context: RequestContext<"user">): Promise<Response> {
	const sessions = await sessionsOf(context);
	return page(context, { title: "Sessions", section: "settings", children: <Sessions sessions={sessions} /> });
}

/** POST /sessions/:id/end */
export async function endSessionFromPage(context: RequestContext<"user">): Promise<Response> {
	await endOne(context);
	return new Response(null, { status: 303, headers: { Location: "/sessions" } });
}

function Sessions({ sessions }: { sessions: readonly Session[] }) {
	return (
		<section>
			<h1>Sessions</h1>
			<p class="soft">Signed-in browsers. A session ends after 30 days, one of an identity provider after a day, and at sign-out.</p>
			{sessions.length === 0 && <p class="empty">Nobody is signed in.</p>}
			{sessions.map((session) => (
				<article class="card" key={session.id}>
					<div class="title">
						<strong>
							{session.name}
							{session.is_current && <span class="soft small"> this browser</span>}
						</strong>
						<PostForm action={`/sessions/${session.id}/end`}>
							<button type="submit" class="danger">
								End
							</button>
						</PostForm>
					</div>
					<dl class="pairs">
						<dt>Browser</dt>
						<dd>{session.user_agent || <span class="soft">unknown</span>}</dd>
						<dt>Address</dt>
						<dd>{session.address}</dd>
						<dt>Signed in</dt>
						<dd>
							<Ago at={session.created_at} />
						</dd>
					</dl>
				</article>
			))}
		</section>
	);
}
