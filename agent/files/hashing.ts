import { createHash, type Hash } from "node:crypto";
import { Transform } from "node:stream";

/** A sha256 of bytes that come one after the other. */
export function newSha256(): Hash {
	return createHash("sha256");
}

/** The sha256 of a whole, in hex. */
export function sha256(bytes: string | Uint8Array): string {
	return newSha256().update(bytes).digest("hex");
}

/**
 * A stage of a pipeline that passes bytes on as they are. `digest` is their sha256 in hex, once all
 * have passed.
 */
export function hashing(): { stage: Transform; digest(): string } {
	const hash = newSha256();
	const stage = new Transform({
		transform(chunk, _, done) {
			hash.update(chunk);
			done(null, chunk);
		},
	});
	return { stage, digest: () => hash.digest("hex") };
}
