import type { ProjectRow } from "../../schema/database/tables.ts";
import type { ForgeKind } from "../../schema/wire/projects.ts";

/** The address of the API of a forge, and the name of the repository there. */
export interface Forge {
	kind: ForgeKind;
	/** Without a slash at the end. */
	api: string;
	/** `team/web` */
	repository: string;
}

const API_PATHS: Record<ForgeKind, string> = { github: "/api/v3", gitea: "/api/v1", gitlab: "/api/v4" };
const GITHUB_HOSTS = new Set(["github.com", "www.github.com", "ssh.github.com"]);

/** The forge of a project; a text with the reason where statuses cannot be sent. */
export function forgeOf({ forge, forge_api, repository }: Pick<ProjectRow, "forge" | "forge_api" | "repository">): Forge | string {
	if (forge === null) return "the project has no forge";
	const at = repository === null ? null : locate(repository);
	if (!at) return "the address of the repository names no host";
	const own = forge === "github" && GITHUB_HOSTS.has(at.host) ? "https://api.github.com" : `${webOrigin(at)}${API_PATHS[forge]}`;
	const api = (forge_api ?? own).replace(/\/+$/, "");
	return { kind: forge, api, repository: belowForge(at.path, new URL(api).pathname, API_PATHS[forge]) };
}

/** The web origins of public forges, by the host of their SSH addresses. */
const PUBLIC_ORIGINS: Readonly<Record<string, string>> = {
	"github.com": "https://github.com",
	"ssh.github.com": "https://github.com",
	"gitlab.com": "https://gitlab.com",
	"altssh.gitlab.com": "https://gitlab.com",
	"codeberg.org": "https://codeberg.org",
	"gitea.com": "https://gitea.com",
};

function webOrigin({ origin, host, isWeb }: Located): string {
	return isWeb ? origin : (PUBLIC_ORIGINS[host] ?? origin);
}

/**
 * The address of the API where it is a guess: an SSH address does not name it. Null where it is
 * known.
 */
export function apiGuess(project: Pick<ProjectRow, "forge" | "forge_api" | "repository">): string | null {
	const at = project.repository === null || project.forge_api !== null ? null : locate(project.repository);
	if (!at || at.isWeb || at.host in PUBLIC_ORIGINS) return null;
	const forge = forgeOf(project);
	return typeof forge === "string" ? null : forge.api;
}

/**
 * The name of a repository on a forge below a path, as `https://lan.test/git/team/web` with its
 * API below `/git`.
 */
function belowForge(path: string, apiPath: string, ofApi: string): string {
	const folder = apiPath.endsWith(ofApi) ? `${apiPath.slice(1, -ofApi.length)}/` : "";
	return folder !== "/" && path.startsWith(folder) ? path.slice(folder.length) : path;
}

/**
 * Whether a forge may give the repository of a project this name. An address without a host may
 * have any name.
 * @param name `team/web`
 */
export function mayBeCalled({ repository, forge_api }: Pick<ProjectRow, "repository" | "forge_api">, name: string): boolean {
	const at = repository === null ? null : locate(repository);
	if (!at) return true;
	const apiPath = forge_api === null ? "" : new URL(forge_api).pathname.replace(/\/+$/, "");
	const own = Object.values(API_PATHS).map((ofApi) => belowForge(at.path, apiPath, ofApi));
	return [at.path, ...own].some((path) => decoded(path).toLowerCase() === name.toLowerCase());
}

/**
 * The address of a project's repository under another name; null where it cannot be derived.
 * @param name `team/web`
 */
export function addressNamed({ repository, forge_api }: Pick<ProjectRow, "repository" | "forge_api">, name: string): string | null {
	const at = repository === null ? null : locate(repository);
	// The name goes into a command that a person may copy into a shell.
	if (!at || repository === null || !/^[\w.-]+(?:\/[\w.-]+)+$/.test(name)) return null;
	const apiPath = forge_api === null ? "" : new URL(forge_api).pathname.replace(/\/+$/, "");
	const inForge = Object.values(API_PATHS).map((ofApi) => belowForge(at.path, apiPath, ofApi));
	const former = inForge.reduce((shortest, path) => (path.length < shortest.length ? path : shortest), at.path);
	const start = repository.lastIndexOf(former);
	return start < 0 ? null : `${repository.slice(0, start)}${name}${repository.slice(start + former.length)}`;
}

function decoded(path: string): string {
	try {
		return decodeURIComponent(path);
	} catch {
		return path;
	}
}

interface Located {
	/** The origin of an HTTP address; of any other address the likely one. */
	origin: string;
	host: string;
	path: string;
	isWeb: boolean;
}

/** The host and the path of a git address: HTTP, SSH, or `git@host:path`. */
function locate(address: string): Located | null {
	const path = (text: string) => text.replace(/^\/+|\/+$/g, "").replace(/\.git$/, "");
	const short = /^[\w.-]+@([\w.-]+):(.+)$/.exec(address);
	if (short) return { origin: `https://${short[1]}`, host: (short[1] ?? "").toLowerCase(), path: path(short[2] ?? ""), isWeb: false };
	if (!/^(https?|ssh|git):/.test(address) || !URL.canParse(address)) return null;
	const url = new URL(address);
	const isWeb = url.protocol === "http:" || url.protocol === "https:";
	return { origin: isWeb ? url.origin : `https://${url.hostname}`, host: url.hostname.toLowerCase(), path: path(url.pathname), isWeb };
}
