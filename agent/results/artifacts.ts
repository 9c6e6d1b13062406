import type { FileHandle } from "node:fs/promises";
import { MAX_ARTIFACT_PATH_BYTES, MAX_ARTIFACTS_PER_JOB, MAX_UPLOADS_PER_REQUEST } from "../../schema/wire/limits.ts";
import { innerPathError, OWN_ARTIFACTS, shownPath } from "../../schema/wire/paths.ts";
import { type ArtifactUploads, type Assignment, artifactUploads, type FinishBody, partAnswer } from "../../schema/wire/protocol.ts";
import type { ArtifactKind } from "../../schema/wire/resources.ts";
import { ConfinedFileError } from "../files/confined_file_error.ts";
import type { ConfinedFolder } from "../files/confined_folder.ts";
import type { Masker } from "../log/masker.ts";
import type { FileCoordinator } from "../transport/client.ts";
import { untilAnswered } from "../transport/retry.ts";
import { severalAtOnce } from "./concurrently.ts";
import { digestsOf } from "./file_digests.ts";
import { findFiles, type LeftOut } from "./find_files.ts";

/** Files cannot be saved. The message says which and why. */
export class ArtifactsFailed extends Error {
	override name = "ArtifactsFailed";
}

/** A file to save. */
export interface Found {
	path: string;
	/** The folder of the file, and its name there. */
	folder: ConfinedFolder;
	file: string;
	size: number;
	sha256: string;
	/** The sha256 of each part; empty for a file that is uploaded whole. */
	parts: string[];
	executable: boolean;
	kind: ArtifactKind;
	/** The entry of `artifacts.save` that matches it; null for a plain pattern. */
	entry: number | null;
}

interface Upload {
	client: FileCoordinator;
	attempt: { id: string; token: string };
	signal: AbortSignal;
}

type FileUpload = ArtifactUploads["files"][number];

/** The uploads at once: small files wait for the network, not for each other. */
const AT_ONCE = 4;

/** A dead connection looks like a slow one, so an upload has this time, and more for each byte. */
const PATIENCE_MS = 30_000;
const MIN_BYTES_PER_MS = 256;

/** The uploaded files. They become visible with the result of the job. */
export type Manifest = FinishBody["artifacts"];

/** The files that a job saves. */
export interface FoundArtifacts {
	found: Found[];
	/** Links that lead to no file. */
	links: string[];
	/** Entries that match and cannot be saved. */
	leftOut: LeftOut[];
	/** The patterns of required entries that match nothing. */
	missing: string[][];
}

/**
 * Finds the files of the workspace that match. A file that several entries match belongs to the
 * first of them, and to the plain patterns last.
 * @param masker finds secrets in paths
 * @throws ArtifactsFailed for too many files
 */
export async function findArtifacts(workspace: ConfinedFolder, save: Assignment["artifacts"], masker: Masker): Promise<FoundArtifacts> {
	const entries = [
		...save.entries.map(({ paths, required }, entry) => ({ paths, required, entry })),
		...(save.save.length > 0 ? [{ paths: save.save, required: false, entry: null }] : []),
	];
	const entryOf = new Map<string, number | null>();
	const links = new Set<string>();
	const leftOut = new Map<string, string>();
	const missing: string[][] = [];
	for (const { paths, required, entry } of entries) {
		const { files, links: loose, unreadable } = await findFiles(workspace, paths);
		for (const name of files) if (!entryOf.has(name)) entryOf.set(name, entry);
		for (const link of loose) links.add(link);
		for (const { shown, why } of unreadable) leftOut.set(shown, why);
		if (required && files.length === 0) missing.push(paths);
	}
	if (entryOf.size > MAX_ARTIFACTS_PER_JOB)
		throw new ArtifactsFailed(
			`${entryOf.size} files match; a job can save ${MAX_ARTIFACTS_PER_JOB}. Use narrower patterns, or save an archive.`,
		);
	const found = new Map<string, Found>();
	for (const name of [...entryOf.keys()].sort()) {
		const path = name.normalize("NFC");
		const why = found.has(path) ? "exists twice, in two spellings of Unicode" : pathError(path, masker);
		const file = why ?? (await readFound(workspace, name, path, entryOf.get(name) ?? null));
		if (typeof file === "string") leftOut.set(shownPath(masker.text(name)), file);
		else found.set(path, file);
	}
	return {
		found: [...found.values()],
		links: [...links].sort().map((link) => shownPath(link)),
		leftOut: [...leftOut].map(([shown, why]) => ({ shown, why })),
		missing,
	};
}

/** Why an artifact cannot have this path; null if it can. */
function pathError(path: string, masker: Masker): string | null {
	if (masker.finds(path)) return "has a secret in its path, which everybody would see";
	if (path.startsWith(OWN_ARTIFACTS)) return `begins with ${OWN_ARTIFACTS}, which is reserved for the agent`;
	if (Buffer.byteLength(path) > MAX_ARTIFACT_PATH_BYTES) return `has a path of more than ${MAX_ARTIFACT_PATH_BYTES} bytes`;
	return innerPathError(path);
}

/** Reads a file's size and sha256. @returns why it cannot be saved, if it cannot */
async function readFound(workspace: ConfinedFolder, name: string, path: string, entry: number | null): Promise<Found | string> {
	let file: FileHandle;
	try {
		file = await workspace.file(name);
	} catch (error) {
		if (!(error instanceof ConfinedFileError)) throw error;
		return error.problem === "outside" ? "is a link out of the workspace" : error.why;
	}
	try {
		const { size, mode } = await file.stat();
		const digests = await digestsOf(file, size);
		return { path, folder: workspace, file: name, size, ...digests, executable: (mode & 0o100) !== 0, kind: "file", entry };
	} finally {
		await file.close();
	}
}

/** Uploads files, each part with its sha256. */
export async function uploadArtifacts(upload: Upload, files: readonly Found[]): Promise<Manifest> {
	const manifest: Manifest = [];
	for (let at = 0; at < files.length; at += MAX_UPLOADS_PER_REQUEST) {
		const slice = files.slice(at, at + MAX_UPLOADS_PER_REQUEST);
		const { files: uploads } = await requestUploads(upload, slice);
		const uploaded: Manifest = [];
		await severalAtOnce(slice, AT_ONCE, async (file, index) => {
			uploaded[index] = await uploadFile(upload, file, uploads[index] as FileUpload);
		});
		manifest.push(...uploaded);
	}
	return manifest;
}

async function uploadFile(upload: Upload, file: Found, { key, parts }: FileUpload): Promise<Manifest[number]> {
	for (const [index, part] of parts.entries()) await putPart(upload, file, part, file.parts[index] ?? file.sha256);
	const { path, size, sha256, executable, kind, entry } = file;
	return { path, size, sha256, executable, kind, key, ...(entry === null ? {} : { entry }) };
}

function requestUploads({ client, attempt, signal }: Upload, files: readonly Found[]) {
	return untilAnswered(
		() =>
			client.fetch(artifactUploads, {
				method: "POST",
				path: `/api/v1/attempts/${attempt.id}/artifacts`,
				token: attempt.token,
				json: { files: files.map(({ path, size, sha256, parts }) => ({ path, size, sha256, parts })) },
				signal,
			}),
		signal,
	);
}

async function putPart({ client, signal }: Upload, file: Found, part: FileUpload["parts"][number], sha256: string) {
	const range = { start: part.offset, end: part.offset + part.size - 1 };
	return untilAnswered(
		async () =>
			client.fetch(partAnswer, {
				method: "PUT",
				path: part.url,
				token: null,
				bytes: part.size === 0 ? new Uint8Array() : await file.folder.stream(file.file, range),
				headers: { "Content-Length": String(part.size), "X-Content-SHA256": sha256 },
				timeoutMs: PATIENCE_MS + Math.ceil(part.size / MIN_BYTES_PER_MS),
				signal,
			}),
		signal,
	);
}
