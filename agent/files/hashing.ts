import { createHash } from "node:crypto";
import { Transform } from "node:stream";

/** A stage of a pipeline that passes bytes on as they are. `digest` is their sha256 in hex, once all have passed. */
export function hashing(): { stage: Transform; digest(): string } {
	const hash = createHash("sha256");
	const stage = new Transform({
		transform(chunk, _, done) {
			hash.update(chunk);
			done(null, chunk);
		},
	});
	return { stage, digest: () => hash.digest("hex") };
}
