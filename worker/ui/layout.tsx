import type { ComponentChildren } from "preact";
import { isFailure, shownState } from "../../schema/wire/state_words.ts";
import { publicPath } from "../http/public_path.ts";
import type { RequestContext } from "../http/route.ts";
import { isOperator } from "../identity/acting_team.ts";
import type { PrincipalKind } from "../identity/principal.ts";
import { isVisitor } from "../identity/visitors.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import type { Overview } from "../queue/core/reads.ts";
import "./bidi.ts";
import { ICONS } from "./icons.ts";
import { mayReaderPost, Part, type RenderedPage, renderParts, wholePage } from "./parts.ts";
import { PostForm } from "./post_form.tsx";
import "./public_links.ts";
import { signatureOf } from "./signature.ts";

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

/** The entries of the navigation. */
const SECTIONS = [
	{ key: "runs", href: "/", label: "Runs" },
	{ key: "projects", href: "/projects", label: "Projects" },
	{ key: "queue", href: "/queue", label: "Queue" },
	{ key: "agents", href: "/agents", label: "Agents" },
	{ key: "tests", href: "/tests", label: "Tests" },
	{ key: "settings", href: "/settings", label: "Settings" },
] as const;
type Section = (typeof SECTIONS)[number]["key"];

/** What an open page follows: every change, or the changes of one run. */
export type Followed = "everything" | { run: string };

/** The context of a page; the principal may be anyone. */
export type PageContext = Pick<RequestContext<PrincipalKind>, "environment" | "principal" | "url"> &
	Partial<Pick<RequestContext<PrincipalKind>, "mayPost">>;

interface PageProps {
	title: string;
	/** The state that the icon and the title show. */
	state?: string;
	/** The entry of the navigation that the page belongs to. */
	section?: Section;
	/** What keeps the open page up to date; nothing by default. */
	follows?: Followed | null;
	/** The numbers of the navigation, from a page that reads them together with its content. */
	overview?: Overview;
	children: ComponentChildren;
}

/** A page, as its updates need it. */
export interface Rendering {
	title: string;
	icon: string;
	follows: Followed | null;
	rendered: RenderedPage;
}

const renderings = new WeakMap<Response, Rendering>();

/** The parts of a page that `page` has made; null for another answer. */
export function renderingOf(response: Response): Rendering | null {
	return renderings.get(response) ?? null;
}

/** A page as a response, with the navigation for a signed-in user. */
export async function page(context: PageContext, props: PageProps, status = 200, headers: Record<string, string> = {}): Promise<Response> {
	const { principal, environment, url, mayPost = () => true } = context;
	const user = principal.kind === "user" && !isVisitor(principal) ? principal : null;
	const overview = user && (props.overview ?? (await dispatcherOf(environment, user.team).readOverview()));
	const { state } = props;
	const follows = isVisitor(principal) ? null : (props.follows ?? null);
	const title = `${state === undefined ? "" : `${shownState(state).mark} `}${props.title} · Windlass`;
	const icon = iconOf(state);
	const query = url.pathname === "/search" ? (url.searchParams.get("q") ?? "") : "";
	const body = (
		<Body
			section={props.section}
			user={user?.name ?? null}
			guest={user && user.team !== user.home ? { team: user.team, home: user.home } : null}
			overview={overview}
			query={query}
			visited={isVisitor(principal) ? url.pathname : null}
		>
			{props.children}
		</Body>
	);
	// Another tab may enter another team meanwhile.
	const acting = user && isOperator(user) && user.sessionId !== null ? user.team : null;
	const rendered = renderParts(body, mayPost, acting);
	const head = renderParts(<Head title={title} icon={icon} />, mayPost, acting).frame;
	const live = follows === null ? "" : ` data-live="${signatureOf(rendered)}"${acting === null ? "" : ` data-acting="${acting}"`}`;
	const text = `<!doctype html><html lang="en">${head}<body data-root="${publicPath()}"${live}>${wholePage(rendered, Date.now())}</body></html>`;
	const response = new Response(text, { status, headers: { ...PAGE_HEADERS, ...headers } });
	renderings.set(response, { title, icon, follows, rendered });
	return response;
}

function iconOf(state: string | undefined): string {
	const tone = state === undefined ? null : isFailure(state) ? "bad" : shownState(state).tone;
	return `/assets/${tone !== null && tone in ICONS ? `icon-${tone}` : "icon"}.svg`;
}

function Head({ title, icon }: { title: string; icon: string }) {
	return (
		<head>
			<meta charset="utf-8" />
			<meta name="viewport" content="width=device-width, initial-scale=1" />
			<meta name="color-scheme" content="light dark" />
			<title>{title}</title>
			<link rel="icon" href={icon} type="image/svg+xml" />
			<link rel="stylesheet" href="/assets/style.css" />
			<script type="module" src="/assets/page.browser.js" />
		</head>
	);
}

interface BodyProps {
	section: Section | undefined;
	user: string | null;
	/** An operator's own team, while they act in another one; else null. */
	guest: { team: string; home: string } | null;
	overview: Overview | null;
	query: string;
	/** The path of the page for a visitor; null for everybody else. */
	visited: string | null;
	children: ComponentChildren;
}

function Body({ section, user, guest, overview, query, visited, children }: BodyProps) {
	return (
		<>
			<a class="skip" href="#main">
				Skip to the content
			</a>
			<header>
				<a class="brand" href="/">
					<img src="/assets/icon.svg" alt="" width="20" height="20" /> Windlass
				</a>
				{user !== null && overview !== null && (
					<>
						<Part id="nav" as="nav" aria-label="Main">
							{SECTIONS.map(({ key, href, label }) => (
								<a key={key} href={href} aria-current={key === section ? "page" : undefined}>
									{label}
									<Count of={key} overview={overview} />
								</a>
							))}
						</Part>
						<search>
							<form action="/search">
								<input type="search" name="q" placeholder="Search" aria-label="Search" value={query} />
							</form>
						</search>
						{mayReaderPost("/new") && (
							<a class="button main" href="/new">
								New run
							</a>
						)}
					</>
				)}
				{visited !== null && (
					<a class="button" href={`/sign-in?${new URLSearchParams({ to: visited })}`}>
						Sign in
					</a>
				)}
			</header>
			{guest !== null && (
				<div class="guest">
					<span>
						You act in the team <b>{guest.team}</b>.
					</span>
					<PostForm action={`/teams/${guest.home}/enter`}>
						<button type="submit">{`Return to ${guest.home}`}</button>
					</PostForm>
				</div>
			)}
			<main id="main" tabIndex={-1}>
				<Part id="content">{children}</Part>
			</main>
			<p id="news" class="hidden" role="status" />
		</>
	);
}

/** A number beside an entry of the navigation, if somebody has to know it. */
function Count({ of, overview }: { of: Section; overview: Overview }) {
	if (of === "queue" && overview.pause) return <span class="chip wait">paused</span>;
	if (of === "queue" && overview.queued > 0) return <span class="chip">{overview.queued}</span>;
	if (of === "agents" && overview.lost > 0) return <span class="chip bad">{`${overview.lost} lost`}</span>;
	if (of === "agents" && overview.online === 0) return <span class="chip wait">none</span>;
	return null;
}
