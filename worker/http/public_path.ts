/**
 * The path of --public-url, below which a proxy serves the coordinator: `/windlass` of https://ci.lan/windlass/. The proxy may
 * strip it or keep it. Links, forms, redirects and cookies have it; routes do not.
 */

let publicUrl: string | undefined;
let path = "";

/** Called with the setting before anything else looks at a request. */
export function setPublicUrl(url: string | undefined): void {
	if (url === publicUrl) return;
	publicUrl = url;
	path = url ? new URL(url).pathname.replace(/\/+$/, "") : "";
}

/** Without a slash at its end; empty where the coordinator has the whole host. */
export function publicPath(): string {
	return path;
}

/** A link to a path of the coordinator as browsers need it. Whatever is no such path, or has the public one already, stays as it is. */
export function publicLink(link: string): string {
	return !link.startsWith("/") || link.startsWith("//") || isBelow(link) ? link : path + link;
}

/** The request as the routes know it, whether the proxy has stripped the path or not. */
export function withoutPublicPath(request: Request): Request {
	if (path === "") return request;
	const url = new URL(request.url);
	if (!isBelow(url.pathname)) return request;
	url.pathname = url.pathname.slice(path.length) || "/";
	return new Request(url, request);
}

function isBelow(address: string): boolean {
	return address === path || address.startsWith(`${path}/`);
}
