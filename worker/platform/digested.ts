/** The bytes that pass between two turns of the event loop. A turn for 4 kB costs as much. */
const PIECE_BYTES = 256 * 1024;

interface Digested {
	/** The same bytes. It breaks off where the given stream does, or at another size. */
	readable: ReadableStream;
	/** The digests by the names of their algorithms, once the last byte has been read. */
	digests: Promise<Map<string, ArrayBuffer>>;
}

/** Passes this many bytes on and digests them meanwhile, in one buffer. */
export function digested(bytes: ReadableStream, size: number, algorithms: readonly string[]): Digested {
	const { readable, writable } = new FixedLengthStream(size);
	const hashes = algorithms.map((name) => ({ name, stream: new crypto.DigestStream(name) }));
	const copy = async () => {
		const writers = [writable, ...hashes.map(({ stream }) => stream)].map((stream) => stream.getWriter());
		try {
			const reader = bytes.getReader({ mode: "byob" });
			let buffer = new Uint8Array(PIECE_BYTES);
			for (let left = size; left > 0; ) {
				const { done, value } = await reader.read(buffer, { min: Math.min(left, PIECE_BYTES) });
				if (done || !value) throw new Error(`the stream ends ${left} bytes too early`);
				left -= value.byteLength;
				await Promise.all(writers.map((writer) => writer.write(value)));
				buffer = new Uint8Array(value.buffer);
			}
			for (const writer of writers) await writer.close();
		} catch (error) {
			for (const { stream } of hashes) stream.digest.catch(() => undefined);
			await Promise.allSettled(writers.map((writer) => writer.abort(error)));
			throw error;
		}
		return new Map(await Promise.all(hashes.map(async ({ name, stream }) => [name, await stream.digest] as const)));
	};
	const digests = copy();
	// Who reads the stream sees its error, and may not ask for the digests then.
	digests.catch(() => undefined);
	return { readable, digests };
}
