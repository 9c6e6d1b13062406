import { MAX_PROTOCOL_BODY_BYTES } from "../../schema/wire/limits.ts";
import { readText } from "../http/bodies.ts";
import type { RequestContext } from "../http/route.ts";
import { page } from "./layout.tsx";
import { PostForm } from "./post_form.tsx";

/** The question before something is deleted or paused. */
interface Question {
	title: string;
	/** The consequence. */
	text: string;
	button: string;
	/** The page to return to without a change. */
	back: string;
}

/**
 * Runs an action once the user confirms it. The first request gets a page whose form repeats the
 * request. It needs no script.
 */
export async function onceConfirmed(context: RequestContext<"user">, question: Question, act: () => Promise<Response>): Promise<Response> {
	const { request, url } = context;
	const form = new URLSearchParams(await readText(request, MAX_PROTOCOL_BODY_BYTES));
	if (form.get("confirmed") === "yes") return act();
	const children = <Confirm action={url.pathname} {...question} />;
	return page(context, { title: question.title, children });
}

function Confirm({ action, title, text, button, back }: Question & { action: string }) {
	return (
		<section class="narrow">
			<h1>{title}?</h1>
			<p>{text}</p>
			<PostForm action={action}>
				<input type="hidden" name="confirmed" value="yes" />
				<button type="submit" class="danger">
					{button}
				</button>{" "}
				<a href={back}>Cancel</a>
			</PostForm>
		</section>
	);
}
