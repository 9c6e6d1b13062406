/**
 * The path of --public-url at which a proxy serves the coordinator: `/windlass` of
 * https://ci.lan/windlass/.
 * The proxy may strip or keep it. Links, forms, redirects and cookies have it; routes do not.
 */

let publicUrl: string | undefined;
let path = "";

/** Sets the path, before anything else reads a request. */
export function setPublicUrl(url: string | undefined): void {
	if (url === publicUrl) return;
	publicUrl = url;
	path = url ? new URL(url).pathname.replace(/\/+$/, "") : "";
}

/** The path without a slash at its end; empty at the root of a host. */
export function publicPath(): string {
	return path;
}

/**
 * A link with the public path. Other addresses, and links that already have the path, stay as they
 * are.
 */
export function publicLink(link: string): string {
	return !link.startsWith("/") || link.startsWith("//") || isBelow(link) ? link : path + link;
}

/** The request without the public path, whether or not the proxy has stripped it. */
export function withoutPublicPath(request: Request, url: URL): Request {
	if (path === "" || !isBelow(url.pathname)) return request;
	const inner = new URL(url);
	inner.pathname = url.pathname.slice(path.length) || "/";
	return new Request(inner, request);
}

function isBelow(address: string): boolean {
	return address === path || address.startsWith(`${path}/`);
}
