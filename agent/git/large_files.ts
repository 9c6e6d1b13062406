import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { formatBytes } from "../../schema/wire/bytes.ts";
import { ConfinedFileError } from "../files/confined_file_error.ts";
import { ConfinedFolder } from "../files/confined_folder.ts";
import { hashing } from "../files/hashing.ts";
import type { GitCredentials } from "./credentials.ts";
import { CheckoutFailed, GitFailed } from "./errors.ts";
import type { Git } from "./git.ts";
import { readIndexFile } from "./index_files.ts";

/**
 * The large files that Git LFS stores beside a repository. git-lfs only fetches them, in a bare
 * repository of its own, so that the commit cannot configure it: a `.lfsconfig` may name any
 * server. The agent writes the files itself, because git-lfs before 3.7.1 follows links when it
 * writes.
 */

export interface LargeFiles {
	/** The repository's address. */
	address: string;
	sha: string;
	isTrusted: boolean;
	/** The credentials for the repository's own server, and for no other; null: none. */
	credentials: GitCredentials | null;
	/** The folder that is created for git-lfs. */
	scratch: string;
}

/** The filters that `git lfs install` sets, for the steps of the job. */
const FILTERS = {
	"filter.lfs.clean": "git-lfs clean -- %f",
	"filter.lfs.smudge": "git-lfs smudge -- %f",
	"filter.lfs.process": "git-lfs filter-process",
	"filter.lfs.required": "true",
};
const CONFIG_FILE = ".lfsconfig";
const MAX_CONFIG_BYTES = 64 * 1024;
/** A longer file is not a pointer: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md */
const MAX_POINTER_BYTES = 1024;
const VERSION = /^version https:\/\/(git-lfs|hawser)\.github\.com\/spec\/v1\n/;

/**
 * Fetches the large files of the commit and replaces their pointers by them.
 * @throws CheckoutFailed
 */
export async function placeLargeFiles(git: Git, files: LargeFiles): Promise<void> {
	if ((await git.text("ls-files", "-z", "--", ":(glob)**/.gitattributes")) === "") return;
	const pointers = await readPointers(git);
	if (pointers.length === 0) return;
	if (!(await git.succeeds("lfs", "version")))
		throw new CheckoutFailed("The repository has files in Git LFS, and git-lfs is not installed on this agent. Install git-lfs there.");
	await fetchObjects(git, files);
	const workspace = await ConfinedFolder.open(git.folder);
	try {
		for (const pointer of pointers) await replacePointer(workspace, pointer);
	} finally {
		await workspace.close();
	}
	for (const [name, value] of Object.entries(FILTERS)) await git.run("config", name, value);
	// Otherwise git would report every large file as changed.
	const withFilter = ["-c", `filter.lfs.process=${FILTERS["filter.lfs.process"]}`];
	await git.answers([...withFilter, "update-index", "-z", "--stdin"], pointers.map(({ path }) => `${path}\0`).join(""));
}

interface Pointer {
	path: string;
	oid: string;
	size: number;
}

/** The pointers in the index, which stand for large files. */
async function readPointers(git: Git): Promise<Pointer[]> {
	const listing = await git.text("ls-files", "--stage", "-z", "--", ":(attr:filter=lfs)");
	const blobs = listing.split("\0").flatMap((line) => {
		const [, object, path] = /^100\d{3} ([0-9a-f]+) 0\t(.*)$/s.exec(line) ?? [];
		return object === undefined || path === undefined ? [] : [{ object, path }];
	});
	if (blobs.length === 0) return [];
	const ask = (mode: string, objects: readonly string[]) => git.answers(["cat-file", mode], `${objects.join("\n")}\n`);
	const sizes = (
		await ask(
			"--batch-check=%(objectsize)",
			blobs.map(({ object }) => object),
		)
	)
		.split("\n")
		.map(Number);
	const short = blobs.filter((_, index) => (sizes[index] ?? 0) > 0 && (sizes[index] as number) < MAX_POINTER_BYTES);
	if (short.length === 0) return [];
	const contents = await ask(
		"--batch=%(objectsize)",
		short.map(({ object }) => object),
	);
	const pointers: Pointer[] = [];
	let at = 0;
	for (const { path } of short) {
		const start = contents.indexOf("\n", at) + 1;
		const text = contents.slice(start, start + Number(contents.slice(at, start)));
		at = start + text.length + 1;
		const [, oid] = /^oid sha256:([0-9a-f]{64})$/m.exec(text) ?? [];
		const [, size] = /^size (\d{1,15})$/m.exec(text) ?? [];
		if (VERSION.test(text) && oid !== undefined && size !== undefined) pointers.push({ path, oid, size: Number(size) });
	}
	return pointers;
}

/** Fetches the objects of all pointers of the commit. */
async function fetchObjects(git: Git, { address, sha, isTrusted, credentials, scratch }: LargeFiles): Promise<void> {
	const settings = await readSettings(git);
	const server = largeFileServer(address, settings.get("lfs.url") ?? settings.get("remote.origin.lfsurl") ?? null);
	if (!isTrusted && server.url !== null && !/^https?:/.test(server.url))
		throw new CheckoutFailed(`${CONFIG_FILE} names ${server.url}. Runs of forks can fetch large files only over HTTP.`);
	await mkdir(scratch, { mode: 0o700 });
	const fetching = git.with(server.isOwn ? credentials : null).in(scratch);
	await fetching.run("init", "--quiet", "--bare", ".");
	await writeFile(path.join(scratch, "objects/info/alternates"), `${path.join(git.folder, ".git/objects")}\n`);
	await fetching.run("config", "remote.origin.url", address);
	await fetching.run("config", "lfs.storage", path.join(git.folder, ".git/lfs"));
	if (server.url !== null) await fetching.run("config", "lfs.url", server.url);
	for (const name of ["lfs.fetchinclude", "lfs.fetchexclude"]) {
		const value = settings.get(name);
		if (value !== undefined) await fetching.run("config", name, value);
	}
	try {
		await fetching.overNetwork(() => fetching.run("lfs", "fetch", "origin", sha));
	} catch (error) {
		throw error instanceof GitFailed && MISSING.test(error.output) ? new CheckoutFailed(whyMissing(isTrusted)) : error;
	}
}

/** The messages of git-lfs about an object that its server does not have. */
const MISSING = /\[404\]|error: 404|status code 404|object does not exist|objects? not found/i;

/**
 * Forges store large files per repository: the file of a fork is not in the project's repository.
 */
function whyMissing(isTrusted: boolean): string {
	const problem = "The server of the repository does not have the large files (Git LFS) of this commit (404).";
	return isTrusted
		? `${problem} Push them: git lfs push --all origin.`
		: `${problem} Forges store large files per repository, and those of a fork stay in the fork. Push the commit to a branch of the project's repository.`;
}

/** The LFS settings of the commit. Only some of them are used. */
async function readSettings(git: Git): Promise<Map<string, string>> {
	const object = await readIndexFile(git, CONFIG_FILE, MAX_CONFIG_BYTES);
	if (object === null) return new Map();
	const listing = await git.text("config", "--null", "--blob", object, "--list");
	return new Map(
		listing
			.split("\0")
			.filter((entry) => entry !== "")
			.map((entry) => entry.split(/\n(.*)/s, 2) as [string, string]),
	);
}

/**
 * The server from which large files are fetched.
 * @param configured the server that the commit names; null: none
 * @returns its address, or null for the one that git-lfs derives from the repository's; and whether
 * it belongs to the repository, so that it may get the credentials
 */
export function largeFileServer(address: string, configured: string | null): { url: string | null; isOwn: boolean } {
	if (configured === null) return { url: null, isOwn: true };
	const [own, asked] = [webAddress(address), webAddress(configured)];
	// Exactly equal: a server may treat an escaped slash or dot in its own way.
	const isOwn = own !== null && asked !== null && [`${own}/info/lfs`, `${own}.git/info/lfs`].includes(asked);
	return { url: isOwn ? asked : configured, isOwn };
}

/** An HTTP address without user, query and final slash; null for another address. */
function webAddress(text: string): string | null {
	if (!URL.canParse(text)) return null;
	const { protocol, origin, pathname } = new URL(text);
	return protocol === "http:" || protocol === "https:" ? `${origin}${pathname.replace(/\/+$/, "")}` : null;
}

/**
 * Replaces a pointer by its object. An object that the settings exclude was not fetched: its
 * pointer stays.
 */
async function replacePointer(workspace: ConfinedFolder, { path: name, oid, size }: Pointer): Promise<void> {
	const object = `.git/lfs/objects/${oid.slice(0, 2)}/${oid.slice(2, 4)}/${oid}`;
	if ((await workspace.kindOf(object)) === null) return;
	const source = await workspace.file(object, "none");
	try {
		const { size: found } = await source.stat();
		if (found !== size)
			throw new CheckoutFailed(`The large file ${name} has ${formatBytes(found)}, but its pointer says ${formatBytes(size)}.`);
		const target = await workspace.replace(name);
		const { stage, digest } = hashing();
		try {
			await pipeline(source.createReadStream(), stage, (bytes) => target.writeFile(bytes));
		} finally {
			await target.close();
		}
		if (digest() !== oid) throw new CheckoutFailed(`The large file ${name} is damaged: its sha256 differs from its pointer.`);
	} catch (error) {
		if (error instanceof ConfinedFileError) throw new CheckoutFailed(`The large file ${name} cannot be written: ${error.message}`);
		throw error;
	} finally {
		await source.close();
	}
}
