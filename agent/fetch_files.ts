import { createWriteStream } from "node:fs";
import { chmod, lstat, mkdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { ApiError } from "../schema/wire/errors.ts";
import { isInnerPath } from "../schema/wire/paths.ts";
import { type NeededFiles, neededFiles } from "../schema/wire/protocol.ts";
import { type FileCoordinator, Unreachable, untilAnswered } from "./client.ts";
import { hashing } from "./hashing.ts";
import { JobFault } from "./outcome.ts";

/** Fetching the files of other jobs into the workspace. */

interface Fetching {
	client: FileCoordinator;
	attempt: { id: string; token: string };
	workspace: string;
	signal: AbortSignal;
}

const AT_ONCE = 4;
/** A connection over which nothing comes any more looks like a slow one: a file may take this long, and more the larger it is. */
const PATIENCE_MS = 30_000;
const LEAST_BYTES_PER_MS = 256;

/**
 * Fetches every file that the job needs.
 * @returns what was fetched
 * @throws JobFault where a file is not there (any more), or cannot be put where it belongs
 */
export async function fetchFiles(fetching: Fetching): Promise<NeededFiles["items"]> {
	const { client, attempt, signal } = fetching;
	const path = `/api/v1/attempts/${attempt.id}/needed`;
	let items: NeededFiles["items"];
	try {
		({ items } = await untilAnswered(() => client.fetch(neededFiles, { method: "GET", path, token: attempt.token, signal }), signal));
	} catch (error) {
		if (error instanceof ApiError && error.code === "conflict") throw new JobFault("artifacts_unavailable", error.message);
		throw error;
	}
	const entries = items.values();
	const hand = async () => {
		for (const item of entries) await fetchFile(fetching, item);
	};
	await Promise.all(Array.from({ length: AT_ONCE }, hand));
	return items;
}

async function fetchFile(fetching: Fetching, item: NeededFiles["items"][number]): Promise<void> {
	const { workspace, signal } = fetching;
	if (!isInnerPath(item.path)) throw new JobFault("artifacts_unavailable", `${JSON.stringify(item.path)} is no path of a workspace.`);
	const target = path.join(workspace, item.path);
	await makeFolders(workspace, item.path);
	const arriving = `${target}.arriving`;
	try {
		await untilAnswered(() => download(fetching, item, arriving), signal);
		await chmod(arriving, item.executable ? 0o755 : 0o644);
		await rename(arriving, target);
	} catch (error) {
		await rm(arriving, { force: true });
		signal.throwIfAborted();
		if (error instanceof JobFault) throw error;
		if (error instanceof ApiError) throw new JobFault("artifacts_unavailable", `${item.path} of ${item.job}: ${error.message}`);
		throw new JobFault("artifacts_unavailable", `${item.path} cannot be put into the workspace: ${(error as Error).message}`);
	}
}

/** Makes the folders above a file; one that is a link could lead out of the workspace. */
async function makeFolders(workspace: string, file: string): Promise<void> {
	let folder = workspace;
	for (const part of file.split("/").slice(0, -1)) {
		folder = path.join(folder, part);
		const known = await lstat(folder).catch(() => null);
		if (known && !known.isDirectory())
			throw new JobFault("artifacts_unavailable", `${file} cannot be fetched: ${part} is there, and is no folder.`);
		// Another file may have had it made in between.
		if (!known) await mkdir(folder, { recursive: true });
	}
}

async function download({ client, attempt, signal }: Fetching, item: NeededFiles["items"][number], file: string): Promise<void> {
	const timeoutMs = PATIENCE_MS + Math.ceil(item.size / LEAST_BYTES_PER_MS);
	// A link that the source has brought must not lead what comes to somewhere else.
	await rm(file, { force: true });
	const { body } = await client.stream({ path: item.url, token: attempt.token, timeoutMs, signal });
	const { stage, digest } = hashing();
	try {
		await pipeline(body, stage, createWriteStream(file, { mode: 0o600, flags: "wx" }));
	} catch (error) {
		signal.throwIfAborted();
		if ((error as NodeJS.ErrnoException).syscall !== undefined && (error as NodeJS.ErrnoException).syscall !== "read") throw error;
		throw new Unreachable(`${item.path} broke off: ${(error as Error).message}`);
	}
	if (digest() !== item.sha256) throw new Unreachable(`${item.path} came damaged`);
}
