import { registerHooks } from "node:module";

/**
 * How the product's own modules are loaded into the simulation: as they are, but for the platform's module, for signatures (they take
 * time outside of the world), for the tokens of people and trusted rows (a process keeps them in mind, whichever world it is in) and for
 * the agent's logger.
 * And with one bug planted, where the checker itself is checked.
 */

const REPLACED: Record<string, string> = {
	"worker/identity/signing.ts": "signing.ts",
	"agent/logger.ts": "agent_logger.ts",
	"worker/identity/tokens_store.ts": "tokens.ts",
	"worker/identity/trusted_rows.ts": "trusted_rows.ts",
};
const here = new URL("./", import.meta.url);
const root = new URL("../../../", import.meta.url);

registerHooks({
	resolve(specifier, context, next) {
		if (specifier === "cloudflare:workers") return { url: new URL("cloudflare_workers.ts", here).href, shortCircuit: true };
		if (specifier === "node:timers/promises" && context.parentURL?.startsWith(new URL("agent/", root).href))
			return { url: new URL("timers.ts", here).href, shortCircuit: true };
		const resolved = next(specifier, context);
		const replacement = REPLACED[resolved.url.slice(root.href.length)];
		return replacement ? { ...resolved, url: new URL(replacement, here).href } : resolved;
	},
	load(url, context, next) {
		const { PLANTED_FILE, PLANTED_SOURCE } = process.env;
		if (PLANTED_FILE === undefined || url !== new URL(PLANTED_FILE, root).href) return next(url, context);
		return { format: "module", source: PLANTED_SOURCE ?? "", shortCircuit: true };
	},
});
