import { createReadStream, createWriteStream, type ReadStream } from "node:fs";
import { open, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { unpackTar } from "modern-tar/fs";
import { BadBundle, BundleRule, checkRatio } from "../../schema/wire/source_bundle.ts";
import { hashing } from "../files/hashing.ts";
import { CheckoutFailed } from "../git/errors.ts";
import { BadTransfer, TransferFailed, untilWhole } from "../results/transfer.ts";
import type { FileCoordinator } from "../transport/client.ts";

interface Unpacking {
	client: FileCoordinator;
	attempt: { id: string; token: string };
	workspace: string;
	/** The file for the bundle until it is unpacked. */
	file: string;
	signal: AbortSignal;
	/** Writes a line to the job's log. */
	writeLine(text: string): Promise<void>;
}

const DOWNLOAD_MS = 30 * 60_000;

/**
 * Downloads the source bundle and unpacks it into the workspace. The agent validates every entry
 * itself.
 * @returns the number of entries
 * @throws CheckoutFailed that names the invalid entry
 */
export async function unpackSource(unpacking: Unpacking): Promise<number> {
	const { file, workspace, signal, writeLine } = unpacking;
	try {
		await untilWhole(
			() => download(unpacking),
			signal,
			(text) => void writeLine(`:: ${text}`),
		);
	} catch (error) {
		if (error instanceof TransferFailed) throw new CheckoutFailed(error.message);
		throw error;
	}
	const rule = new BundleRule();
	let invalidEntry: unknown;
	const target = unpackTar(workspace, {
		strict: true,
		filter(header) {
			try {
				rule.check(header);
				return true;
			} catch (error) {
				invalidEntry ??= error;
				throw error;
			}
		},
		// Only permissions to read, write and execute; the owner always has them.
		map: (header) => ({ ...header, mode: ((header.mode ?? 0o644) & 0o777) | (header.type === "directory" ? 0o700 : 0o600) }),
	});
	try {
		const source = createReadStream(file);
		if (await isGzip(file)) await pipeline(source, createGunzip(), ratioChecked(source), target, { signal });
		else await pipeline(source, target, { signal });
	} catch (error) {
		signal.throwIfAborted();
		throw new CheckoutFailed(
			`The source cannot be unpacked: ${((invalidEntry instanceof BadBundle ? invalidEntry : error) as Error).message}`,
		);
	}
	await rm(file, { force: true });
	return rule.entries;
}

async function download({ client, attempt, file, signal }: Unpacking): Promise<void> {
	const { body, headers } = await client.stream({
		path: `/api/v1/attempts/${attempt.id}/source`,
		token: attempt.token,
		timeoutMs: DOWNLOAD_MS,
		signal,
	});
	const { stage, digest } = hashing();
	try {
		await pipeline(body, stage, createWriteStream(file, { mode: 0o600 }));
	} catch (error) {
		signal.throwIfAborted();
		if ((error as NodeJS.ErrnoException).syscall === "write")
			throw new CheckoutFailed(`The agent cannot write the source to its disk: ${(error as Error).message}`);
		throw new BadTransfer("interrupted", `The download of the source was interrupted: ${(error as Error).message}`);
	}
	if (digest() !== headers["x-content-sha256"]) throw new BadTransfer("damaged", "The source bundle is damaged: its sha256 differs");
}

/**
 * Passes unpacked bytes on.
 * @throws BadBundle if they are far more than the bytes that were read
 */
function ratioChecked(source: ReadStream) {
	return async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
		let unpacked = 0;
		for await (const chunk of chunks) {
			unpacked += chunk.byteLength;
			checkRatio(source.bytesRead, unpacked);
			yield chunk;
		}
	};
}

async function isGzip(file: string): Promise<boolean> {
	const handle = await open(file);
	try {
		const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0);
		return buffer[0] === 0x1f && buffer[1] === 0x8b;
	} finally {
		await handle.close();
	}
}
