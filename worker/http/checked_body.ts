import { joined } from "../../schema/wire/bytes.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { MIB } from "../../schema/wire/limits.ts";
import { checkLength, whileReading } from "./bodies.ts";
import { bodyTooLarge } from "./body_too_large.ts";
import { ByteBudget } from "./byte_budget.ts";
import { isPacked, unpackedBody } from "./encoded_body.ts";

/** A signature that is checked while the body arrives, so that an invalid body is never stored. */
export interface BodyCheck {
	update(chunk: Uint8Array): void;
	/** Called once, at the end. */
	isAuthentic(): boolean;
}

/** Reads webhook bodies: anyone can send one, and only its signature authenticates it. */

/** The time limit for the sender, and for the room of its bytes. */
const READ_MS = 30_000;
const EVICTED_MS = READ_MS + 5_000;
/** Most deliveries are smaller than this, and do not wait for larger ones. */
const SMALL_BYTES = 256 * 1024;
/** The room of all unauthenticated bodies; bodies without room wait at their sender. */
const small = new ByteBudget(8 * MIB, EVICTED_MS);
const large = new ByteBudget(24 * MIB, EVICTED_MS);

/**
 * Reads the body and checks its signature; null if the signature is wrong.
 * @throws ApiError `too_large`; `malformed` for an interrupted or slow body
 */
export async function readChecked(request: Request, limit: number, check: BodyCheck): Promise<Uint8Array<ArrayBuffer> | null> {
	checkLength(request, limit);
	const reader = unpackedBody(request, limit)?.getReader();
	const announced = isPacked(request) ? null : request.headers.get("Content-Length");
	const isSmall = announced !== null && Number(announced) <= SMALL_BYTES;
	const room = (isSmall ? small : large).begin();
	const chunks: Uint8Array[] = [];
	let size = 0;
	let timer: ReturnType<typeof setTimeout> | undefined;
	const late = new Promise<never>((_, reject) => {
		timer = setTimeout(() => reject(tooSlow()), READ_MS);
	});
	try {
		while (reader) {
			const { done, value } = await whileReading(request, () => Promise.race([reader.read(), late]));
			if (done) break;
			size += value.byteLength;
			if (size > limit) throw bodyTooLarge(limit);
			await Promise.race([room.take(value.byteLength), late]);
			check.update(value);
			chunks.push(value);
		}
		return check.isAuthentic() ? joined(chunks) : null;
	} catch (error) {
		await reader?.cancel().catch(() => undefined);
		throw error;
	} finally {
		clearTimeout(timer);
		room.release();
	}
}

function tooSlow(): ApiError {
	return new ApiError("malformed", `The body did not arrive within ${READ_MS / 1000} s.`, { suggestions: ["Send it again."] });
}
