import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type * as z from "zod";
import { sha256 as sha256Of } from "../../agent/files/hashing.ts";
import type { Answer, Call, FileCoordinator, StreamAnswer, StreamCall } from "../../agent/transport/client.ts";
import { pathMatcher } from "../../schema/pipeline/syntax/patterns.ts";
import type { CacheManifest, WantedCache } from "../../schema/wire/caches.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import type { ArtifactUploads, DownloadList } from "../../schema/wire/protocol.ts";
import { LocalCaches } from "./local_caches.ts";

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

/** A running job. */
interface ServedJob {
	/** The name of the folder that its files are stored in. */
	folder: string;
	/** What its pipeline fetches. */
	fetches: readonly LocalFetch[];
	/** The jobs that it needs, directly or through others. */
	needed: readonly { key: string; name: string; folder: string }[];
	/**
	 * Adds the jobs of a pipeline to the run.
	 * @returns their names
	 * @throws ApiError for a text that is not valid
	 */
	addJobs(text: string): string[];
}

export class LocalCoordinator implements FileCoordinator {
	readonly server = "local";
	readonly #folder: string;
	readonly #source: Uint8Array;
	readonly #caches: LocalCaches;
	/** The saved files of each job, by the name of its folder. */
	readonly #saved = new Map<string, SavedFile[]>();
	/** The running job; null before the first. */
	#job: ServedJob | null = null;

	constructor(folder: string, source: Uint8Array, caches: LocalCaches) {
		this.#folder = folder;
		this.#source = source;
		this.#caches = caches;
	}

	begin(job: ServedJob): void {
		this.#job = job;
	}

	/** The folder of the running job. */
	get #current(): string {
		return this.#job?.folder ?? "";
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
		if (LocalCaches.serves(address)) return this.#answerOfSave(address, method, bytes, json);
		if (method === "PUT") return this.#put(address, bytes);
		if (address.endsWith("/caches/find")) return { caches: await this.#caches.find((json as { caches: WantedCache[] }).caches) };
		if (address.endsWith("/caches")) return { caches: await this.#caches.startSaves((json as { caches: WantedCache[] }).caches) };
		const [, damaged] = /\/caches\/([^/]+)\/check$/.exec(address) ?? [];
		if (damaged !== undefined) return this.#caches.remove(damaged).then(() => ({ is_damaged: true }));
		if (address.endsWith("/artifacts")) return this.#startUploads((json as { files: { path: string; size: number }[] }).files);
		if (address.endsWith("/pipeline")) return { jobs: this.#job?.addJobs(Buffer.from(bytes as Uint8Array).toString()) ?? [] };
		const { pathname, searchParams: asked } = new URL(address, "http://local");
		if (pathname.endsWith("/downloads")) return { items: this.#files(this.#fetchesOf(asked)) } satisfies DownloadList;
		throw new Error(`a local job makes no call ${method} ${address}`);
	}

	async #answerOfSave(address: string, method: Call["method"], bytes: Call["bytes"], json: unknown): Promise<unknown> {
		if (method === "POST") return this.#caches.commit(address, json as CacheManifest);
		await this.#caches.putPart(address, bytes as Uint8Array);
		return null;
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

	/** What the pipeline says, or what a step asks for. */
	#fetchesOf(asked: URLSearchParams): readonly LocalFetch[] {
		const key = asked.get("job");
		if (key === null) return this.#job?.fetches ?? [];
		const folders = this.#job?.needed.filter((one) => one.key === key) ?? [];
		if (folders.length === 0)
			throw new ApiError("conflict", `This job does not need a job ${key}, so it cannot have its files.`, {
				suggestions: [`Add it to the needs of the job: needs: [${key}].`],
			});
		const patterns = (asked.get("paths") ?? "").split("\n").filter((line) => line !== "");
		return folders.map(({ folder, name }) => ({ job: name, folder, patterns, into: asked.get("into") }));
	}

	#files(fetches: readonly LocalFetch[]): DownloadList["items"] {
		return fetches.flatMap(({ job, folder, patterns, into }) => {
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
		if (LocalCaches.serves(address)) return { headers: {}, body: this.#caches.part(address) };
		if (!address.endsWith("/source")) {
			await stat(address);
			return { headers: {}, body: createReadStream(address) };
		}
		const sha256 = sha256Of(this.#source);
		return { headers: { "x-content-sha256": sha256 }, body: Readable.from([this.#source]) };
	}
}
