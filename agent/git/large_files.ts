import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { formatBytes } from "../../schema/wire/bytes.ts";
import { ConfinedFileError, ConfinedFolder } from "../files/confined_folder.ts";
import { hashing } from "../files/hashing.ts";
import { CheckoutFailed, type Git, type GitCredentials, GitFailed } from "./git.ts";
import { readIndexFile } from "./index_files.ts";

/**
 * The files of a repository that Git LFS keeps beside it. git-lfs only fetches them, in a bare
 * repository of its own, so that nothing of the commit tells it what to do: a `.lfsconfig` may name
 * any server. The agent writes the files itself, as git-lfs before 3.7.1 follows links when it writes.
 */

export interface LargeFiles {
	/** The repository's address. */
	address: string;
	sha: string;
	isTrusted: boolean;
	/** What the repository's own server, and nobody else, is told. */
	credentials: GitCredentials | null;
	/** A folder that is made, for what git-lfs needs. */
	scratch: string;
}

/** The same filters that `git lfs install` sets: the steps of the job are to have them. */
const FILTERS = {
	"filter.lfs.clean": "git-lfs clean -- %f",
	"filter.lfs.smudge": "git-lfs smudge -- %f",
	"filter.lfs.process": "git-lfs filter-process",
	"filter.lfs.required": "true",
};
const CONFIG_FILE = ".lfsconfig";
const MAX_CONFIG_BYTES = 64 * 1024;
/** A longer file is no pointer: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md */
const MAX_POINTER_BYTES = 1024;
const VERSION = /^version https:\/\/(git-lfs|hawser)\.github\.com\/spec\/v1\n/;

/** Fetches what the commit's pointers name, and puts it in their place. @throws CheckoutFailed */
export async function placeLargeFiles(git: Git, files: LargeFiles): Promise<void> {
	if ((await git.text("ls-files", "-z", "--", ":(glob)**/.gitattributes")) === "") return;
	const pointers = await readPointers(git);
	if (pointers.length === 0) return;
	if (!(await git.succeeds("lfs", "version")))
		throw new CheckoutFailed("The repository keeps files in Git LFS, and git-lfs is not installed on this agent.");
	await fetchObjects(git, files);
	const workspace = await ConfinedFolder.open(git.folder);
	try {
		for (const pointer of pointers) await place(workspace, pointer);
	} finally {
		await workspace.close();
	}
	for (const [name, value] of Object.entries(FILTERS)) await git.run("config", name, value);
	// Otherwise git would take every one of them for changed.
	const withFilter = ["-c", `filter.lfs.process=${FILTERS["filter.lfs.process"]}`];
	await git.answers([...withFilter, "update-index", "-z", "--stdin"], pointers.map(({ path }) => `${path}\0`).join(""));
}

interface Pointer {
	path: string;
	oid: string;
	size: number;
}

/** What stands in the index in place of large files. */
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
		throw new CheckoutFailed(`${CONFIG_FILE} names ${server.url}. Runs from other repositories fetch large files over HTTP only.`);
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
		throw error instanceof GitFailed && MISSING.test(error.words) ? new CheckoutFailed(whyMissing(isTrusted)) : error;
	}
}

/** What git-lfs says of an object that its server does not have. */
const MISSING = /\[404\]|error: 404|status code 404|object does not exist|objects? not found/i;

/** Forges store large files per repository: one that was pushed to a fork is not in the repository that the fork is of. */
function whyMissing(isTrusted: boolean): string {
	const what = "The server of the repository does not have the large files (Git LFS) of this commit (404).";
	return isTrusted
		? `${what} Push them: git lfs push --all origin.`
		: `${what} Forges store large files per repository, and those of a fork stay in the fork: push the commit to a branch of the project's own repository.`;
}

/** What the commit says of its large files. Only some of it is used. */
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
 * Which server large files are fetched from.
 * @param configured what the commit says; null: nothing
 * @returns its address, null for the one that git-lfs derives from the repository's own; and whether
 * it is the repository's own, so that it may be told the credentials
 */
export function largeFileServer(address: string, configured: string | null): { url: string | null; isOwn: boolean } {
	if (configured === null) return { url: null, isOwn: true };
	const [own, asked] = [webAddress(address), webAddress(configured)];
	// Letter by letter: what servers make of an escaped slash or dot is not known here.
	const isOwn = own !== null && asked !== null && [`${own}/info/lfs`, `${own}.git/info/lfs`].includes(asked);
	return { url: isOwn ? asked : configured, isOwn };
}

/** An address without user, query and slash at its end; null for one that is not over HTTP. */
function webAddress(text: string): string | null {
	if (!URL.canParse(text)) return null;
	const { protocol, origin, pathname } = new URL(text);
	return protocol === "http:" || protocol === "https:" ? `${origin}${pathname.replace(/\/+$/, "")}` : null;
}

/** Puts an object in the place of its pointer. One that was not to be fetched is not there: its pointer stays. */
async function place(workspace: ConfinedFolder, { path: name, oid, size }: Pointer): Promise<void> {
	const object = `.git/lfs/objects/${oid.slice(0, 2)}/${oid.slice(2, 4)}/${oid}`;
	if ((await workspace.kindOf(object)) === null) return;
	const source = await workspace.file(object, "none");
	try {
		const { size: found } = await source.stat();
		if (found !== size)
			throw new CheckoutFailed(`The large file ${name} has ${formatBytes(found)}; its pointer says ${formatBytes(size)}.`);
		const target = await workspace.replace(name);
		const { stage, digest } = hashing();
		try {
			await pipeline(source.createReadStream(), stage, (bytes) => target.writeFile(bytes));
		} finally {
			await target.close();
		}
		if (digest() !== oid) throw new CheckoutFailed(`The large file ${name} came damaged.`);
	} catch (error) {
		if (error instanceof ConfinedFileError) throw new CheckoutFailed(`The large file ${name} cannot be written: ${error.message}`);
		throw error;
	} finally {
		await source.close();
	}
}
