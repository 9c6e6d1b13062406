import { notFound } from "../../schema/wire/errors.ts";
import { isNotModified } from "../http/entity_tags.ts";
import { type AnonymousContext, pageRoute } from "../http/route.ts";
import { VERSION } from "../platform/version.ts";
import log from "./assets/log.browser.js";
import logBlocks from "./assets/log_blocks.browser.js";
import logFolds from "./assets/log_folds.browser.js";
import logFollow from "./assets/log_follow.browser.js";
import logSearch from "./assets/log_search.browser.js";
import logTools from "./assets/log_tools.browser.js";
import morph from "./assets/morph.browser.js";
import page from "./assets/page.browser.js";
import style from "./assets/style.css";
import updates from "./assets/updates.browser.js";
import { ICONS } from "./icons.ts";

/** Modules that import each other by these names. */
const SCRIPTS = {
	"page.browser.js": page,
	"morph.browser.js": morph,
	"updates.browser.js": updates,
	"log.browser.js": log,
	"log_blocks.browser.js": logBlocks,
	"log_folds.browser.js": logFolds,
	"log_follow.browser.js": logFollow,
	"log_search.browser.js": logSearch,
	"log_tools.browser.js": logTools,
};

const ASSETS: Record<string, { type: string; text: string }> = {
	"style.css": { type: "text/css; charset=utf-8", text: style },
	...Object.fromEntries(Object.entries(SCRIPTS).map(([name, text]) => [name, { type: "text/javascript; charset=utf-8", text }])),
	...Object.fromEntries(
		Object.entries(ICONS).map(([tone, text]) => [tone === "base" ? "icon.svg" : `icon-${tone}.svg`, { type: "image/svg+xml", text }]),
	),
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

export const assetRoutes = [pageRoute({ method: "GET", path: "/assets/:name", limit: "none", allow: ["anyone", "user"], handle: asset })];
