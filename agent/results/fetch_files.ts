import { constants, open, rename, unlink } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { ApiError } from "../../schema/wire/errors.ts";
import { isInnerPath } from "../../schema/wire/paths.ts";
import { type DownloadList, downloadList } from "../../schema/wire/protocol.ts";
import { ConfinedFileError } from "../files/confined_file_error.ts";
import { ConfinedFolder } from "../files/confined_folder.ts";
import { hashing } from "../files/hashing.ts";
import { JobError } from "../outcome.ts";
import type { FileCoordinator } from "../transport/client.ts";
import { untilAnswered } from "../transport/retry.ts";
import { severalAtOnce } from "./concurrently.ts";
import { BadTransfer, TransferFailed, untilWhole } from "./transfer.ts";

interface Fetching {
	client: FileCoordinator;
	attempt: { id: string; token: string };
	/** What a step asks for; without it, what the pipeline says. */
	asked?: { job: string; paths: readonly string[]; into: string | null };
	workspace: string;
	signal: AbortSignal;
	/** Writes a line to the job's log. */
	writeLine(text: string): Promise<void>;
}

const AT_ONCE = 4;
/** A dead connection looks like a slow one, so a download has this time, and more for each byte. */
const PATIENCE_MS = 30_000;
const MIN_BYTES_PER_MS = 256;

/**
 * Downloads the files of other jobs that the job needs into the workspace.
 * @returns the files
 * @throws JobError if a file does not exist (any more), or cannot be written
 */
export async function fetchFiles(fetching: Fetching): Promise<DownloadList["items"]> {
	const { client, attempt, signal } = fetching;
	const path = `/api/v1/attempts/${attempt.id}/downloads${queryOf(fetching.asked)}`;
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

function queryOf(asked: Fetching["asked"]): string {
	if (!asked) return "";
	const { job, paths, into } = asked;
	return `?${new URLSearchParams({ job, paths: paths.join("\n"), ...(into === null ? {} : { into }) })}`;
}

async function fetchFile(fetching: Fetching, workspace: ConfinedFolder, item: DownloadList["items"][number]): Promise<void> {
	if (!isInnerPath(item.path)) throw new JobError("artifacts_unavailable", `${JSON.stringify(item.path)} is not a path in a workspace.`);
	const name = item.path.slice(item.path.lastIndexOf("/") + 1);
	const folder = await folderFor(workspace, item.path);
	const arriving = folder.placeOf(`${name}.arriving`);
	try {
		await untilWhole(
			() => download(fetching, item, arriving),
			fetching.signal,
			(text) => void fetching.writeLine(`:: ${text}`),
		);
		await rename(arriving, folder.placeOf(name));
	} catch (error) {
		await removeFile(arriving);
		fetching.signal.throwIfAborted();
		if (error instanceof JobError) throw error;
		if (error instanceof TransferFailed) throw new JobError("artifacts_unavailable", error.message);
		if (error instanceof ApiError) throw new JobError("artifacts_unavailable", `${item.path} of ${item.job}: ${error.message}`);
		throw new JobError("artifacts_unavailable", `${item.path} cannot be written to the workspace: ${(error as Error).message}`);
	} finally {
		await folder.close();
	}
}

/**
 * Opens the folder of a file, and creates it if needed. No link is followed, because it could lead
 * out of the workspace.
 */
async function folderFor(workspace: ConfinedFolder, file: string): Promise<ConfinedFolder> {
	try {
		return await workspace.makeFolder(file.slice(0, Math.max(0, file.lastIndexOf("/"))));
	} catch (error) {
		if (!(error instanceof ConfinedFileError)) throw error;
		throw new JobError("artifacts_unavailable", `${file} cannot be fetched: ${error.message}`);
	}
}

const WRITE_NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** @param file the path for the incomplete file */
async function download({ client, attempt, signal }: Fetching, item: DownloadList["items"][number], file: string): Promise<void> {
	const timeoutMs = PATIENCE_MS + Math.ceil(item.size / MIN_BYTES_PER_MS);
	// The source may contain a link of this name.
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
		throw new BadTransfer("interrupted", `The download of ${item.path} was interrupted: ${(error as Error).message}`);
	} finally {
		await arriving.close();
	}
	if (digest() !== item.sha256) throw new BadTransfer("damaged", `The file ${item.path} of ${item.job} is damaged: its sha256 differs`);
}

async function removeFile(file: string): Promise<void> {
	await unlink(file).catch((error) => {
		if (error.code !== "ENOENT") throw error;
	});
}
