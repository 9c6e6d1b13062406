import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { plantedBug } from "../planted_bugs.ts";

/**
 * How the product's own modules are loaded into the simulation: as they are, but for the platform's module, for signatures (they take
 * time outside of the world), for the tokens of people (a process keeps them in mind, whichever world it is in) and for the agent's voice.
 * And with one bug planted, where the checker itself is checked.
 */

const REPLACED: Record<string, string> = {
	"worker/identity/signing.ts": "signing.ts",
	"agent/logger.ts": "voice.ts",
	"worker/identity/tokens_store.ts": "tokens.ts",
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
		const bug = plantedBug();
		if (!bug || url !== new URL(bug.file, root).href) return next(url, context);
		const source = readFileSync(fileURLToPath(url), "utf8");
		if (source.split(bug.sound).length !== 2)
			throw new Error(`the bug ${bug.name} cannot be planted: its place in ${bug.file} is not there once`);
		return { format: "module-typescript", source: source.replace(bug.sound, () => bug.planted), shortCircuit: true };
	},
});
