import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { Readable } from "node:stream";
import { parentPort, workerData } from "node:worker_threads";
import { createZstdCompress, createZstdDecompress, type ZstdCompress, constants as zlib } from "node:zlib";
import { CACHE_PART_BYTES } from "../../../schema/wire/limits.ts";
import { BadArchive } from "./bad_archive.ts";
import { fingerprintOf } from "./fingerprint.ts";
import type { FromThread, Task, ToThread } from "./messages.ts";

/**
 * The thread in which archives are packed and unpacked: it reads and writes thousands of small
 * files with calls that block, which are several times as fast as the others, and the agent must
 * renew its leases meanwhile. It ends with its one task.
 */

/** The levels of zstd. */
const LEVELS = { fast: 1, best: 12 } as const;
/** How many parts the agent may have at once. */
const MAX_PARTS_AHEAD = 2;
const CHUNK = 1024 * 1024;
/** Reading is some megabytes ahead of compressing. */
const STREAM = { chunkSize: CHUNK, highWaterMark: 4 * CHUNK };
/** The first bytes of what zstd has compressed (RFC 8878, 3.1.1). */
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

const port = parentPort;
if (!port) throw new Error("archive_thread.ts runs in a thread");

function send(message: FromThread, transferred: Uint8Array[] = []): void {
	port?.postMessage(
		message,
		transferred.map(({ buffer }) => buffer as ArrayBuffer),
	);
}

/** Cuts a stream into parts, and waits while the agent has enough of them. */
class Parts {
	#chunks: Buffer[] = [];
	#length = 0;
	#ahead = 0;
	#onTaken: () => void = () => undefined;

	taken(): void {
		this.#ahead -= 1;
		this.#onTaken();
	}

	async add(bytes: Buffer): Promise<void> {
		for (let rest = bytes; rest.length > 0; ) {
			const fitting = rest.subarray(0, CACHE_PART_BYTES - this.#length);
			this.#chunks.push(fitting);
			this.#length += fitting.length;
			rest = rest.subarray(fitting.length);
			if (this.#length === CACHE_PART_BYTES) await this.end();
		}
	}

	/** Sends what there is as a part. */
	async end(): Promise<void> {
		if (this.#length === 0) return;
		while (this.#ahead >= MAX_PARTS_AHEAD)
			await new Promise<void>((resolve) => {
				this.#onTaken = resolve;
			});
		const bytes = new Uint8Array(Buffer.concat(this.#chunks));
		this.#chunks = [];
		this.#length = 0;
		this.#ahead += 1;
		send({ part: { bytes, sha256: createHash("sha256").update(bytes).digest("hex") } }, [bytes]);
	}
}

async function runPack({ folder, roots, compression }: Extract<Task, { kind: "pack" }>): Promise<void> {
	// The reader and writer of archives takes a while to load, and a copy needs neither.
	const { pack } = await import("./pack.ts");
	const hash = createHash("sha256");
	const parts = new Parts();
	port?.on("message", (message: ToThread) => "taken" in message && parts.taken());
	const compressor = compression === "fast" || compression === "best" ? new Compressor(LEVELS[compression], parts) : null;
	const packed = await pack(folder, roots, async (bytes) => {
		hash.update(bytes);
		if (compressor) await compressor.write(bytes);
		else if (compression !== null) await parts.add(bytes);
	});
	await compressor?.end();
	await parts.end();
	send({ packed: { content: hash.digest("hex"), ...packed, fingerprint: fingerprintOf(folder) } });
}

class Compressor {
	readonly #stream: ZstdCompress;
	readonly #passed: Promise<void>;

	constructor(level: number, parts: Parts) {
		this.#stream = createZstdCompress({ ...STREAM, params: { [zlib.ZSTD_c_compressionLevel]: level } });
		this.#passed = this.#pass(parts);
	}

	async #pass(parts: Parts): Promise<void> {
		for await (const bytes of this.#stream) await parts.add(bytes);
	}

	async write(bytes: Buffer): Promise<void> {
		if (this.#stream.write(bytes)) return;
		await new Promise<void>((resolve) => this.#stream.once("drain", resolve));
	}

	async end(): Promise<void> {
		this.#stream.end();
		await this.#passed;
	}
}

async function runUnpack({ folder, bounds }: Extract<Task, { kind: "unpack" }>): Promise<void> {
	const { Unpacker } = await import("./unpack.ts");
	const hash = createHash("sha256");
	const unpacker = new Unpacker(folder, bounds);
	const source = parts();
	const first = await source.next();
	if (first.done) throw new BadArchive("it is empty");
	const all = async function* () {
		yield first.value;
		yield* source;
	};
	const isCompressed = ZSTD_MAGIC.equals(first.value.subarray(0, ZSTD_MAGIC.length));
	const whole = Readable.from(all(), { objectMode: false, highWaterMark: CHUNK });
	const archive = isCompressed ? whole.pipe(createZstdDecompress(STREAM)) : whole;
	if (isCompressed) whole.on("error", (error) => archive.destroy(error));
	try {
		for await (const bytes of archive) {
			hash.update(bytes);
			unpacker.write(bytes);
		}
	} catch (error) {
		const isCorrupt = /^(ZSTD|Z)_/.test((error as NodeJS.ErrnoException).code ?? "");
		throw isCorrupt ? new BadArchive(`it cannot be decompressed: ${(error as Error).message}`) : error;
	}
	send({ unpacked: { roots: unpacker.end(), content: hash.digest("hex") } });
}

/** The parts that the agent sends. */
async function* parts(): AsyncGenerator<Buffer> {
	const waiting: (Uint8Array | null)[] = [];
	let onPart: () => void = () => undefined;
	port?.on("message", (message: ToThread) => {
		if (!("part" in message)) return;
		waiting.push(message.part);
		onPart();
	});
	for (;;) {
		const next = waiting.shift();
		if (next === null) return;
		if (next === undefined) {
			await new Promise<void>((resolve) => {
				onPart = resolve;
			});
			continue;
		}
		send({ taken: true });
		yield Buffer.from(next.buffer, next.byteOffset, next.byteLength);
	}
}

async function runCopy({ from, to, fingerprint }: Extract<Task, { kind: "copy" }>): Promise<void> {
	const isCopied = await new Promise<boolean>((resolve) =>
		port?.on("message", (message: ToThread) => "copied" in message && resolve(message.copied)),
	);
	if (!isCopied) {
		const { copyTree } = await import("./copy_tree.ts");
		copyTree(from, to);
	}
	if (fingerprint === null) return send({ copied: fingerprintOf(to) });
	// Looked at last: a job may change the folder while it is copied.
	const isUnchanged = fingerprintOf(from) === fingerprint;
	if (!isUnchanged) rmSync(to, { recursive: true });
	send({ copied: isUnchanged ? fingerprint : null });
}

async function run(task: Task): Promise<void> {
	try {
		if (task.kind === "pack") await runPack(task);
		else if (task.kind === "unpack") await runUnpack(task);
		else await runCopy(task);
	} catch (error) {
		send({ error: (error as Error).message, isDamaged: error instanceof BadArchive });
	}
	port?.close();
}

void run(workerData as Task);
