/** Answers a form with a redirect to a page. */
export function backTo(location: string): Response {
	return new Response(null, { status: 303, headers: { Location: location } });
}
