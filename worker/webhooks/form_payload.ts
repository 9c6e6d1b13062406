import { joined } from "../../schema/wire/bytes.ts";
import type { BodyCheck } from "../http/checked_body.ts";

/** Decodes the JSON in the field `payload` of a form while the body arrives. */

const FIELD = new TextEncoder().encode("payload=");
const [PLUS, PERCENT, AMPERSAND, SPACE] = [0x2b, 0x25, 0x26, 0x20];

/**
 * Whether the Content-Type is a form. curl sends that for every body, so the body must begin with
 * `payload=`, too.
 */
export function isForm(headers: Headers): boolean {
	return /^application\/x-www-form-urlencoded\b/i.test(headers.get("Content-Type") ?? "");
}

/**
 * Decodes the form (https://url.spec.whatwg.org/#urlencoded-parsing). A body that does not begin
 * with `payload=` stays unchanged.
 */
class FormPayload {
	/** How many bytes of the name of the field have arrived. */
	#named = 0;
	#state: "name" | "raw" | "value" | "ended" = "name";
	/** A percent sign and at most one digit that wait for the next bytes. */
	#pending: number[] = [];

	/** Returns the decoded bytes that this chunk completes. */
	decode(chunk: Uint8Array): Uint8Array {
		if (this.#state === "name") return this.#decodeName(chunk);
		if (this.#state === "raw") return chunk;
		return this.#decodeValue(chunk);
	}

	/** Returns the rest after the last chunk. */
	end(): Uint8Array {
		const rest = this.#state === "name" ? FIELD.slice(0, this.#named) : Uint8Array.from(this.#pending);
		this.#pending = [];
		this.#state = "ended";
		return rest;
	}

	#decodeName(chunk: Uint8Array): Uint8Array {
		for (const [index, byte] of chunk.entries()) {
			if (byte !== FIELD[this.#named]) {
				this.#state = "raw";
				return joined([FIELD.subarray(0, this.#named), chunk.subarray(index)]);
			}
			this.#named += 1;
			if (this.#named === FIELD.byteLength) {
				this.#state = "value";
				return this.#decodeValue(chunk.subarray(index + 1));
			}
		}
		return new Uint8Array();
	}

	#decodeValue(chunk: Uint8Array): Uint8Array {
		const decoded = new Uint8Array(chunk.byteLength + this.#pending.length);
		let size = 0;
		for (const byte of chunk) {
			if (this.#state === "ended") break;
			if (this.#pending.length > 0) {
				if (isHexDigit(byte)) {
					this.#pending.push(byte);
					if (this.#pending.length < 3) continue;
					decoded[size++] = Number.parseInt(String.fromCharCode(...this.#pending.slice(1)), 16);
					this.#pending = [];
					continue;
				}
				for (const literal of this.#pending) decoded[size++] = literal;
				this.#pending = [];
			}
			if (byte === PERCENT) this.#pending.push(byte);
			else if (byte === AMPERSAND) this.#state = "ended";
			else decoded[size++] = byte === PLUS ? SPACE : byte;
		}
		return decoded.subarray(0, size);
	}
}

function isHexDigit(byte: number): boolean {
	return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

/** The JSON of a form; any other body unchanged. */
export function payloadBytes(headers: Headers, body: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
	if (!isForm(headers)) return body;
	const form = new FormPayload();
	const decoded = form.decode(body);
	return joined([decoded, form.end()]);
}

/**
 * Verifies the signature of the JSON in a form, as Gitea and Forgejo sign it, while the form
 * arrives.
 */
export function checkingPayload(check: BodyCheck): BodyCheck {
	const form = new FormPayload();
	return {
		update: (chunk) => check.update(form.decode(chunk)),
		isAuthentic: () => {
			check.update(form.end());
			return check.isAuthentic();
		},
	};
}
