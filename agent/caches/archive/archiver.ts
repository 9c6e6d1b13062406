import { Worker } from "node:worker_threads";
import type { CACHE_COMPRESSIONS } from "../../../schema/wire/caches.ts";
import type { ArchiveBounds } from "./archive_rule.ts";
import { BadArchive } from "./bad_archive.ts";
import { copyWithProgram } from "./copy_program.ts";
import type { FromThread, PackedArchive, PackedPart, Task, ToThread, UnpackedArchive } from "./messages.ts";

/** Packs, unpacks and copies the folders of caches, each in a thread of its own. */

/** The bundle has the thread beside the program; the sources have it beside this file. */
const THREAD = new URL(import.meta.url.endsWith(".ts") ? "./archive_thread.ts" : "./archive_thread.js", import.meta.url);

/**
 * Packs files and folders.
 * @param onPart takes a part of the archive; the next ones wait for it
 */
export async function packFolder(
	folder: string,
	roots: readonly string[],
	compression: (typeof CACHE_COMPRESSIONS)[number],
	onPart: (part: PackedPart) => Promise<void>,
	signal: AbortSignal,
): Promise<PackedArchive> {
	const answer = await inThread({ kind: "pack", folder, roots, compression }, signal, async (message, post) => {
		if (!("part" in message)) return;
		await onPart(message.part);
		post({ taken: true });
	});
	return expected(answer, "packed");
}

/** Reads files and folders through as if they were packed. */
export async function digestFolder(folder: string, roots: readonly string[], signal: AbortSignal): Promise<PackedArchive> {
	return expected(await inThread({ kind: "pack", folder, roots, compression: null }, signal, async () => undefined), "packed");
}

/**
 * Unpacks an archive into an empty folder.
 * @param parts its parts, each of which is taken once the one before is
 * @throws BadArchive
 */
export async function unpackInto(
	folder: string,
	bounds: ArchiveBounds,
	parts: AsyncIterator<Uint8Array>,
	signal: AbortSignal,
): Promise<UnpackedArchive> {
	const sendNext = async (post: (message: ToThread) => void) => {
		const { done, value } = await parts.next();
		post({ part: done ? null : value });
	};
	const answer = await inThread(
		{ kind: "unpack", folder, bounds },
		signal,
		async (message, post) => {
			if ("taken" in message) await sendNext(post);
		},
		sendNext,
	);
	return expected(answer, "unpacked");
}

/** Copies a folder that has not changed. @returns false if it has */
export async function copyUnchanged(from: string, to: string, fingerprint: string, signal: AbortSignal): Promise<boolean> {
	return (await copy(from, to, fingerprint, signal)) !== null;
}

/** Copies a folder. @returns the fingerprint of the copy */
export async function copyFolder(from: string, to: string, signal: AbortSignal): Promise<string> {
	return (await copy(from, to, null, signal)) as string;
}

async function copy(from: string, to: string, fingerprint: string | null, signal: AbortSignal): Promise<string | null> {
	// The thread starts meanwhile.
	const copied = copyWithProgram(from, to, signal);
	try {
		const task: Task = { kind: "copy", from, to, fingerprint };
		const answer = await inThread(
			task,
			signal,
			async () => undefined,
			async (post) => post({ copied: await copied }),
		);
		return expected(answer, "copied");
	} finally {
		await copied;
	}
}

type Last = Extract<FromThread, { packed: unknown } | { unpacked: unknown } | { copied: unknown }>;

function expected<Key extends "packed" | "unpacked" | "copied">(answer: Last, key: Key): Extract<FromThread, Record<Key, unknown>>[Key] {
	if (key in answer) return (answer as Extract<FromThread, Record<Key, unknown>>)[key];
	throw new Error("the thread gave another answer");
}

/**
 * Runs a task in a thread.
 * @param onMessage handles what the thread says on the way, one message after the other
 * @returns the last message
 */
async function inThread(
	task: Task,
	signal: AbortSignal,
	onMessage: (message: FromThread, post: (message: ToThread) => void) => Promise<void>,
	onStart: (post: (message: ToThread) => void) => Promise<void> = async () => undefined,
): Promise<Last> {
	signal.throwIfAborted();
	const thread = new Worker(THREAD, { workerData: task });
	const post = (message: ToThread) =>
		thread.postMessage(message, "part" in message && message.part ? [message.part.buffer as ArrayBuffer] : []);
	const { promise, resolve, reject } = Promise.withResolvers<Last>();
	const onAbort = () => reject(signal.reason);
	let handled: Promise<void> = Promise.resolve();
	let hasSaidAll = false;
	signal.addEventListener("abort", onAbort, { once: true });
	thread.on("message", (message: FromThread) => {
		if ("error" in message) reject(message.isDamaged ? new BadArchive(message.error) : new Error(message.error));
		else if ("part" in message || "taken" in message) {
			handled = handled.then(() => onMessage(message, post));
			handled.catch(reject);
		} else {
			hasSaidAll = true;
			handled.then(() => resolve(message), reject);
		}
	});
	thread.once("error", reject);
	thread.once("exit", () => hasSaidAll || reject(new Error("the thread has ended")));
	onStart(post).catch(reject);
	try {
		return await promise;
	} finally {
		signal.removeEventListener("abort", onAbort);
		await thread.terminate();
	}
}
