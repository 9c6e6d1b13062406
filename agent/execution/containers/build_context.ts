import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { createTarPacker } from "modern-tar";
import { ConfinedFileError, type ConfinedFolder, isGone, joined } from "../../files/confined_folder.ts";
import { sha256 } from "../../files/hashing.ts";
import { walkFolder } from "../../files/walk_folder.ts";
import { DockerIgnore } from "./docker_ignore.ts";

/**
 * What is sent to an image build: a tar archive of a folder of the workspace. Docker is not told the
 * folder's path, as it would open it while the job can still replace it by a link. Links are packed
 * as links, and the builder resolves them inside of the archive.
 */

/** A Dockerfile has some kilobytes. */
const MAX_DOCKERFILE_BYTES = 4 * 1024 * 1024;
const MAX_IGNORE_BYTES = 64 * 1024;
const IGNORE_FILE = ".dockerignore";
/** What the header of an archive has room for (POSIX ustar). */
const MAX_NAME_BYTES = 100;
const EPOCH = new Date(0);

export interface BuildContextFiles {
	/** The name of the Dockerfile in the archive. */
	dockerfile: string;
	archive: Readable;
	/** Settled when nothing of the folders is read any more. */
	done: Promise<void>;
	/** Why packing has failed; null while it has not. */
	readonly error: Error | null;
	/** Entries that are neither files, folders nor links, and are not sent. */
	leftOut: readonly string[];
}

/**
 * Begins to pack a folder of the workspace. `archive` must be read to its end or destroyed before
 * the folders are closed.
 * @param context opened from the workspace
 * @param dockerfile its path in the workspace, which may be outside of the context; null: `Dockerfile` in the context
 * @throws ConfinedFileError for a Dockerfile or ignore file that cannot be read; Error for a pattern that is none
 */
export async function packBuildContext(
	workspace: ConfinedFolder,
	context: ConfinedFolder,
	dockerfile: string | null,
): Promise<BuildContextFiles> {
	const inContext = (name: string) => joined(context.inside, name);
	const asked = dockerfile ?? (await usualDockerfile(workspace, inContext));
	const found = await workspace.resolveFile(asked);
	const text = await workspace.read(found, MAX_DOCKERFILE_BYTES, "none");
	const ignoreText = await readIfThere(workspace, inContext(IGNORE_FILE));
	const own = `${asked}${IGNORE_FILE}`;
	const ownText = await readIfThere(workspace, own);
	const ignore = ownText === null ? new DockerIgnore(ignoreText ?? "", IGNORE_FILE) : new DockerIgnore(ownText, own);
	const isInside = context.inside === "" || found.startsWith(`${context.inside}/`);
	const inside = found.slice(inContext("").length);
	// A long name would begin the archive with a header that BuildKit does not know one by.
	const sentAs = isInside && Buffer.byteLength(inside) <= MAX_NAME_BYTES ? inside : substituteName(text);
	const packing = new Packing();
	const leftOut: string[] = [];
	const done = packing.run(async () => {
		await packing.bytes(sentAs, text);
		// As Docker's own command does: the classic builder takes away what this names. BuildKit leaves Dockerfile and ignore file.
		const sentIgnore = isInside ? ignoreText : `${ignoreText ?? ""}\n${IGNORE_FILE}\n${sentAs}\n`;
		if (sentIgnore !== null) await packing.bytes(IGNORE_FILE, Buffer.from(sentIgnore));
		for await (const { path, kind, parent, name } of walkFolder(context, {
			isEntered: (folder, { raw }) => raw === null && ignore.isEntered(folder),
		})) {
			if (path === sentAs || path === IGNORE_FILE || ignore.isIgnored(path)) continue;
			if (kind === "other") leftOut.push(path);
			else await packing.entry(path, kind, parent, name);
		}
	});
	return {
		dockerfile: sentAs,
		archive: packing.archive,
		done,
		get error() {
			return packing.error;
		},
		leftOut,
	};
}

/** As Docker looks for it: `Dockerfile`, or else `dockerfile`. */
async function usualDockerfile(workspace: ConfinedFolder, inContext: (name: string) => string): Promise<string> {
	const [usual, other] = [inContext("Dockerfile"), inContext("dockerfile")];
	return (await workspace.kindOf(usual)) === null && (await workspace.kindOf(other)) !== null ? other : usual;
}

/** What a Dockerfile is called that is not in the context. The same one has the same name: layers stay valid. */
function substituteName(text: Buffer): string {
	return `.dockerfile.${sha256(text).slice(0, 20)}`;
}

/** @throws ConfinedFileError for what is there and is no regular file of at most some kilobytes */
async function readIfThere(folder: ConfinedFolder, name: string): Promise<string | null> {
	try {
		return (await folder.read(name, MAX_IGNORE_BYTES)).toString("utf8");
	} catch (error) {
		if (error instanceof ConfinedFileError && error.problem === "absent") return null;
		throw error;
	}
}

/** A time before 1970 has no place in an archive. */
function inArchive(time: Date): Date {
	return time < EPOCH ? EPOCH : time;
}

/** An archive that is written entry after entry while it is read. */
class Packing {
	readonly archive: Readable;
	error: Error | null = null;
	readonly #controller: ReturnType<typeof createTarPacker>["controller"];

	constructor() {
		const { readable, controller } = createTarPacker();
		this.#controller = controller;
		this.archive = Readable.fromWeb(readable as Parameters<typeof Readable.fromWeb>[0]);
		this.archive.on("error", () => undefined);
	}

	/** Never fails: what goes wrong is `error`, and the reader of the archive gets it. */
	async run(body: () => Promise<void>): Promise<void> {
		try {
			await body();
			this.#controller.finalize();
		} catch (error) {
			// One that nobody reads any more has failed for that reason alone.
			if (!this.archive.destroyed) this.error = error as Error;
			this.#controller.error(error);
		}
	}

	async bytes(name: string, bytes: Uint8Array): Promise<void> {
		const writer = this.#controller.add({ name, type: "file", size: bytes.byteLength, mode: 0o644, uid: 0, gid: 0 }).getWriter();
		if (bytes.byteLength > 0) await writer.write(bytes);
		await writer.close();
	}

	/** Adds an entry as it is at this moment. One that has been removed or replaced since it was listed is left out. */
	async entry(path: string, kind: "file" | "folder" | "link", parent: ConfinedFolder, name: string): Promise<void> {
		try {
			if (kind === "file") await this.#file(path, await parent.file(name, "none"));
			else if (kind === "folder") await this.#folder(path, await parent.folder(name, "none"));
			else await this.#add({ name: path, type: "symlink", linkname: await parent.linkTarget(name), size: 0, mode: 0o777 });
		} catch (error) {
			if (!isGone(error)) throw error;
		}
	}

	async #file(path: string, file: FileHandle): Promise<void> {
		try {
			const { size, mode, mtime } = await file.stat();
			const header = { name: path, type: "file", size, mode: mode & 0o7777, mtime: inArchive(mtime), uid: 0, gid: 0 } as const;
			const writer = this.#controller.add(header).getWriter();
			let left = size;
			// Only as much as was announced: a file may grow while it is read.
			if (size > 0)
				for await (const chunk of file.createReadStream({ start: 0, end: size - 1, autoClose: false })) {
					left -= (chunk as Buffer).length;
					await writer.write(new Uint8Array(chunk as Buffer));
				}
			if (left > 0) throw new Error(`${path} has changed while it was read.`);
			await writer.close();
		} finally {
			await file.close();
		}
	}

	async #folder(path: string, folder: ConfinedFolder): Promise<void> {
		const { mode, mtime } = await folder.info().finally(() => folder.close());
		await this.#add({ name: joined(path, ""), type: "directory", size: 0, mode: mode & 0o7777, mtime: inArchive(mtime) });
	}

	async #add(header: Parameters<ReturnType<typeof createTarPacker>["controller"]["add"]>[0]): Promise<void> {
		await this.#controller.add({ ...header, uid: 0, gid: 0 }).close();
	}
}
