import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type * as z from "zod";
import { sha256 as sha256Of } from "../../agent/files/hashing.ts";
import type { Answer, Call, FileCoordinator, StreamAnswer, StreamCall } from "../../agent/transport/client.ts";
import { pathMatcher } from "../../schema/pipeline/syntax/patterns.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import type { ArtifactUploads, DownloadList } from "../../schema/wire/protocol.ts";

/**
 * Stands in for the coordinator when jobs run on this machine alone: it has the source, and stores
 * artifacts in a folder.
 */

/** A file that a job saved. */
interface SavedFile {
	path: string;
	size: number;
	sha256: string;
	executable: boolean;
}

/** The files of one job that another job fetches. */
export interface LocalFetch {
	/** The name of the job that saved the files. */
	job: string;
	/** The name of that job's folder. */
	folder: string;
	patterns: readonly string[];
	into: string | null;
}

export class LocalCoordinator implements FileCoordinator {
	readonly server = "local";
	readonly #folder: string;
	readonly #source: Uint8Array;
	/** The saved files of each job, by the name of its folder. */
	readonly #saved = new Map<string, SavedFile[]>();
	/** The folder of the running job, and the files that it fetches. */
	#current = "";
	#fetches: readonly LocalFetch[] = [];

	constructor(folder: string, source: Uint8Array) {
		this.#folder = folder;
		this.#source = source;
	}

	/** Begins a job. Its files are stored in a folder of this name. */
	begin(folder: string, fetches: readonly LocalFetch[]): void {
		this.#current = folder;
		this.#fetches = fetches;
	}

	/** Records the saved files of the running job. */
	saveFiles(files: readonly SavedFile[]): void {
		this.#saved.set(this.#current, [...files]);
	}

	#fileOf(folder: string, name: string): string {
		return path.join(this.#folder, folder, name);
	}

	call(): Promise<Answer> {
		throw new Error("a local job makes no such call");
	}

	async fetch<Schema extends z.ZodType>(schema: Schema, call: Call): Promise<z.infer<Schema>> {
		return schema.parse(await this.#answer(call));
	}

	async #answer({ method, path: address, json, bytes }: Call): Promise<unknown> {
		if (method === "PUT") return this.#put(address, bytes);
		if (address.endsWith("/artifacts")) return this.#startUploads((json as { files: { path: string; size: number }[] }).files);
		if (address.endsWith("/pipeline") || address.includes("/downloads?"))
			throw new ApiError(
				"conflict",
				"windlass exec runs the jobs of the pipeline only: it adds none, and fetches the files that `fetch` names.",
				{
					suggestions: ["Run the pipeline on a coordinator: windlass run."],
				},
			);
		if (address.endsWith("/downloads")) return { items: this.#needed() } satisfies DownloadList;
		throw new Error(`a local job makes no call ${method} ${address}`);
	}

	#startUploads(files: readonly { path: string; size: number }[]): ArtifactUploads {
		const uploads = files.map(({ path: name, size }) => ({
			path: name,
			key: name,
			parts: [{ number: 1, url: this.#fileOf(this.#current, name), offset: 0, size }],
		}));
		return { files: uploads };
	}

	async #put(file: string, bytes: Call["bytes"]): Promise<{ number: number }> {
		await mkdir(path.dirname(file), { recursive: true });
		await pipeline(bytes instanceof Readable ? bytes : Readable.from([bytes ?? new Uint8Array()]), createWriteStream(file));
		return { number: 1 };
	}

	#needed(): DownloadList["items"] {
		return this.#fetches.flatMap(({ job, folder, patterns, into }) => {
			const isWanted = patterns.length === 0 ? () => true : pathMatcher(patterns);
			const files = (this.#saved.get(folder) ?? []).filter((file) => isWanted(file.path));
			if (files.length === 0)
				throw new ApiError("conflict", `Job ${job} has saved no files to fetch.`, {
					suggestions: ["Fix `artifacts.save` of that job, or `artifacts.fetch` of this one."],
				});
			return files.map((file) => ({
				...file,
				job,
				path: into === null ? file.path : `${into}/${file.path}`,
				url: this.#fileOf(folder, file.path),
			}));
		});
	}

	async stream({ path: address }: StreamCall): Promise<StreamAnswer> {
		if (!address.endsWith("/source")) {
			await stat(address);
			return { headers: {}, body: createReadStream(address) };
		}
		const sha256 = sha256Of(this.#source);
		return { headers: { "x-content-sha256": sha256 }, body: Readable.from([this.#source]) };
	}
}
