import { constants, open, rename, unlink } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { ApiError } from "../../schema/wire/errors.ts";
import { isInnerPath } from "../../schema/wire/paths.ts";
import { type DownloadList, downloadList } from "../../schema/wire/protocol.ts";
import { ConfinedFileError, ConfinedFolder } from "../files/confined_folder.ts";
import { hashing } from "../files/hashing.ts";
import { JobError } from "../outcome.ts";
import type { FileCoordinator } from "../transport/client.ts";
import { untilAnswered } from "../transport/retry.ts";
import { severalAtOnce } from "./concurrently.ts";
import { BadTransfer, TransferFailed, untilWhole } from "./transfer.ts";

/** Fetching the files of other jobs into the workspace. */

interface Fetching {
	client: FileCoordinator;
	attempt: { id: string; token: string };
	workspace: string;
	signal: AbortSignal;
	/** Says something in the job's log. */
	say(text: string): Promise<void>;
}

const AT_ONCE = 4;
/** A connection over which nothing comes any more looks like a slow one: a file may take this long, and more the larger it is. */
const PATIENCE_MS = 30_000;
const LEAST_BYTES_PER_MS = 256;

/**
 * Fetches every file that the job needs.
 * @returns what was fetched
 * @throws JobError where a file is not there (any more), or cannot be put where it belongs
 */
export async function fetchFiles(fetching: Fetching): Promise<DownloadList["items"]> {
	const { client, attempt, signal } = fetching;
	const path = `/api/v1/attempts/${attempt.id}/needed`;
	let items: DownloadList["items"];
	try {
		({ items } = await untilAnswered(() => client.fetch(downloadList, { method: "GET", path, token: attempt.token, signal }), signal));
	} catch (error) {
		if (error instanceof ApiError && error.code === "conflict") throw new JobError("artifacts_unavailable", error.message);
		throw error;
	}
	const workspace = await ConfinedFolder.open(fetching.workspace);
	try {
		await severalAtOnce(items, AT_ONCE, (item) => fetchFile(fetching, workspace, item));
	} finally {
		await workspace.close();
	}
	return items;
}

async function fetchFile(fetching: Fetching, workspace: ConfinedFolder, item: DownloadList["items"][number]): Promise<void> {
	if (!isInnerPath(item.path)) throw new JobError("artifacts_unavailable", `${JSON.stringify(item.path)} is no path of a workspace.`);
	const name = item.path.slice(item.path.lastIndexOf("/") + 1);
	const folder = await folderFor(workspace, item.path);
	const arriving = folder.placeOf(`${name}.arriving`);
	try {
		await untilWhole(
			() => download(fetching, item, arriving),
			fetching.signal,
			(text) => void fetching.say(`:: ${text}`),
		);
		await rename(arriving, folder.placeOf(name));
	} catch (error) {
		await removeFile(arriving);
		fetching.signal.throwIfAborted();
		if (error instanceof JobError) throw error;
		if (error instanceof TransferFailed) throw new JobError("artifacts_unavailable", error.message);
		if (error instanceof ApiError) throw new JobError("artifacts_unavailable", `${item.path} of ${item.job}: ${error.message}`);
		throw new JobError("artifacts_unavailable", `${item.path} cannot be put into the workspace: ${(error as Error).message}`);
	} finally {
		await folder.close();
	}
}

/** The folder that a file belongs in, made where it is not there. A link could lead out of the workspace, so none is followed. */
async function folderFor(workspace: ConfinedFolder, file: string): Promise<ConfinedFolder> {
	try {
		return await workspace.makeFolder(file.slice(0, Math.max(0, file.lastIndexOf("/"))));
	} catch (error) {
		if (!(error instanceof ConfinedFileError)) throw error;
		throw new JobError("artifacts_unavailable", `${file} cannot be fetched: ${error.message}`);
	}
}

const WRITE_NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** @param file where it is kept until all of it has come */
async function download({ client, attempt, signal }: Fetching, item: DownloadList["items"][number], file: string): Promise<void> {
	const timeoutMs = PATIENCE_MS + Math.ceil(item.size / LEAST_BYTES_PER_MS);
	// A link that the source has brought must not lead what comes to somewhere else.
	await removeFile(file);
	const { body } = await client.stream({ path: item.url, token: attempt.token, timeoutMs, signal });
	const { stage, digest } = hashing();
	const arriving = await open(file, WRITE_NEW, 0o600);
	try {
		await pipeline(body, stage, (bytes) => arriving.writeFile(bytes));
		await arriving.chmod(item.executable ? 0o755 : 0o644);
	} catch (error) {
		signal.throwIfAborted();
		if ((error as NodeJS.ErrnoException).syscall !== undefined && (error as NodeJS.ErrnoException).syscall !== "read") throw error;
		throw new BadTransfer("broken off", `The download of ${item.path} broke off: ${(error as Error).message}`);
	} finally {
		await arriving.close();
	}
	if (digest() !== item.sha256)
		throw new BadTransfer("damaged", `The file ${item.path} of ${item.job} is damaged: its sha256 is another one`);
}

async function removeFile(file: string): Promise<void> {
	await unlink(file).catch((error) => {
		if (error.code !== "ENOENT") throw error;
	});
}
