import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Project } from "../schema/wire/projects.ts";
import type { Page } from "../schema/wire/resources.ts";
import type { Connection } from "./connection.ts";
import { UsageError } from "./usage_error.ts";

/** Finds the project whose repository a folder is a clone of. */

const run = promisify(execFile);

/**
 * Host and path of an address, without user, port, `.git` and trailing slashes: the same for SSH
 * and HTTPS. The host is lower case; the path is not, because some servers distinguish case.
 */
export function repositoryOf(address: string): string {
	const scp = /^(?:[^@/]+@)?([^:/@]+):(?!\/\/)(.*)$/.exec(address);
	const url = /^[a-z+]+:\/\/(?:[^@/]*@)?([^/:]*)(?::\d+)?\/(.*)$/i.exec(address);
	const [, host = "", path = ""] = url ?? scp ?? [null, "", address];
	return `${host.toLowerCase()}/${path.replace(/^\/+|\/+$/g, "").replace(/\.git$/, "")}`;
}

/** The addresses of a clone's remotes, in the form that git uses; none outside of a clone. */
async function remotesOf(folder: string): Promise<string[]> {
	try {
		const { stdout } = await run("git", ["-C", folder, "remote", "--verbose"]);
		return [...new Set(stdout.split("\n").flatMap((line) => /^[^\t]+\t(.+) \(fetch\)/.exec(line)?.[1] ?? []))];
	} catch {
		return [];
	}
}

/**
 * The project whose repository this folder is a clone of; null if there is none.
 * @throws UsageError for several projects
 */
export async function projectOfClone(connection: Connection, folder: string): Promise<string | null> {
	const remotes = new Set((await remotesOf(folder)).map(repositoryOf));
	if (remotes.size === 0) return null;
	const { items } = await connection.json<Page<Project>>("/api/v1/projects");
	const names = items.filter(({ repository }) => repository !== null && remotes.has(repositoryOf(repository))).map(({ name }) => name);
	if (names.length > 1)
		throw new UsageError(`This folder is a clone of the repository of projects ${names.join(" and ")}. Name one with --project.`);
	return names[0] ?? null;
}
