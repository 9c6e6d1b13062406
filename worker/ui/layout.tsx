import type { ComponentChildren } from "preact";
import { render } from "preact-render-to-string";
import { publicPath } from "../http/public_path.ts";
import "./bidi.ts";
import "./public_links.ts";

/**
 * Allows only our own scripts, no inline style and no frames: output of a build cannot run
 * anything.
 */
const PAGE_HEADERS = {
	"Content-Type": "text/html; charset=utf-8",
	"Cache-Control": "no-store",
	"Content-Security-Policy":
		"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options": "nosniff",
	"Referrer-Policy": "same-origin",
};

/** Headers of a fragment that a script fetches; opened as a page, it is inert. */
export const FRAGMENT_HEADERS = {
	...PAGE_HEADERS,
	"Content-Security-Policy": "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
};

interface PageProps {
	title: string;
	/** The signed-in user, who sees the navigation; null without a session. */
	user: string | null;
	/** Whether the open page keeps itself up to date. */
	isLive?: boolean;
	children: ComponentChildren;
}

/** A page as a response. */
export function page(props: PageProps, status = 200, headers: Record<string, string> = {}): Response {
	return new Response(`<!doctype html>${render(<Page {...props} />)}`, { status, headers: { ...PAGE_HEADERS, ...headers } });
}

function Page({ title, user, isLive, children }: PageProps) {
	return (
		<html lang="en">
			<head>
				<meta charset="utf-8" />
				<meta name="viewport" content="width=device-width, initial-scale=1" />
				<meta name="color-scheme" content="light dark" />
				<title>{`${title} · Windlass`}</title>
				<link rel="icon" href="/assets/icon.svg" type="image/svg+xml" />
				<link rel="stylesheet" href="/assets/style.css" />
				<script type="module" src="/assets/page.browser.js" />
			</head>
			<body data-live={isLive ? "yes" : undefined} data-root={publicPath()}>
				<header>
					<a class="brand" href="/">
						<img src="/assets/icon.svg" alt="" width="22" height="22" /> Windlass
					</a>
					{user !== null && (
						<nav>
							<a href="/">Runs</a>
							<a href="/new">New run</a>
							<a href="/projects">Projects</a>
							<a href="/agents">Agents</a>
							<a href="/sessions">Sessions</a>
							<form method="post" action="/sign-out">
								<button type="submit" class="quiet" title={`Signed in as ${user}`}>
									Sign out
								</button>
							</form>
						</nav>
					)}
				</header>
				<main>{children}</main>
			</body>
		</html>
	);
}
