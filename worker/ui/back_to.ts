/** Answers a form with the page to look at next. */
export function backTo(location: string): Response {
	return new Response(null, { status: 303, headers: { Location: location } });
}
