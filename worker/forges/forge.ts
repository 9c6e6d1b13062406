import type { ProjectRow } from "../../schema/database/tables.ts";
import type { ForgeKind } from "../../schema/wire/projects.ts";

/** Where the API of a project's forge is, and what the repository is called there. */
export interface Forge {
	kind: ForgeKind;
	/** Without a slash at the end. */
	api: string;
	/** `team/web` */
	repository: string;
}

const API_PATHS: Record<ForgeKind, string> = { github: "/api/v3", gitea: "/api/v1", gitlab: "/api/v4" };

/** The forge of a project; in words why there is none to be told. */
export function forgeOf({ forge, forge_api, repository }: Pick<ProjectRow, "forge" | "forge_api" | "repository">): Forge | string {
	if (forge === null) return "the project does not say what its forge is";
	const at = repository === null ? null : locate(repository);
	if (!at) return "the repository of the project is not on a forge";
	const own = forge === "github" && at.host === "github.com" ? "https://api.github.com" : `${at.origin}${API_PATHS[forge]}`;
	return { kind: forge, api: (forge_api ?? own).replace(/\/+$/, ""), repository: at.path };
}

/** The host and the path in an address of git: over HTTP, SSH, or as `git@host:path`. */
function locate(address: string): { origin: string; host: string; path: string } | null {
	const path = (text: string) => text.replace(/^\/+|\/+$/g, "").replace(/\.git$/, "");
	const short = /^[\w.-]+@([\w.-]+):(.+)$/.exec(address);
	if (short) return { origin: `https://${short[1]}`, host: short[1] ?? "", path: path(short[2] ?? "") };
	if (!/^(https?|ssh|git):/.test(address) || !URL.canParse(address)) return null;
	const url = new URL(address);
	const isWeb = url.protocol === "http:" || url.protocol === "https:";
	return { origin: isWeb ? url.origin : `https://${url.hostname}`, host: url.hostname, path: path(url.pathname) };
}
