import { notFound } from "../../schema/wire/errors.ts";
import { isNotModified } from "../http/entity_tags.ts";
import { type AnonymousContext, pageRoute } from "../http/route.ts";
import { VERSION } from "../platform/version.ts";
import log from "./assets/log.browser.js";
import logBlocks from "./assets/log_blocks.browser.js";
import logFolds from "./assets/log_folds.browser.js";
import logFollow from "./assets/log_follow.browser.js";
import logSearch from "./assets/log_search.browser.js";
import page from "./assets/page.browser.js";
import style from "./assets/style.css";

const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#1d4e63"/><circle cx="16" cy="16" r="9" fill="none" stroke="#fff" stroke-width="3"/><circle cx="16" cy="16" r="2.5" fill="#fff"/><path d="M16 2v10M16 20v10M2 16h10M20 16h10" stroke="#fff" stroke-width="3" stroke-linecap="round"/></svg>`;

/** Modules that import each other by these names. */
const SCRIPTS = {
	"page.browser.js": page,
	"log.browser.js": log,
	"log_blocks.browser.js": logBlocks,
	"log_folds.browser.js": logFolds,
	"log_follow.browser.js": logFollow,
	"log_search.browser.js": logSearch,
};

const ASSETS: Record<string, { type: string; text: string }> = {
	"style.css": { type: "text/css; charset=utf-8", text: style },
	...Object.fromEntries(Object.entries(SCRIPTS).map(([name, text]) => [name, { type: "text/javascript; charset=utf-8", text }])),
	"icon.svg": { type: "image/svg+xml", text: ICON },
};

/** Serves scripts, style and icon from the bundle. */
function asset({ request, params }: AnonymousContext): Response {
	const found = Object.hasOwn(ASSETS, params.name ?? "") ? ASSETS[params.name ?? ""] : undefined;
	if (!found) throw notFound("asset", params.name ?? "");
	const etag = `"${VERSION}-${found.text.length}"`;
	const headers = { "Content-Type": found.type, "Cache-Control": "no-cache", ETag: etag, "X-Content-Type-Options": "nosniff" };
	if (isNotModified(request, etag)) return new Response(null, { status: 304, headers });
	return new Response(found.text, { headers });
}

export const assetRoutes = [pageRoute({ method: "GET", path: "/assets/:name", allow: ["anyone", "user"], handle: asset })];
