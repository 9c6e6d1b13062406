import type { BodyCheck } from "../http/checked_body.ts";

/** The JSON in a form with the one field `payload`, decoded while it comes in. */

const FIELD = new TextEncoder().encode("payload=");
const [PLUS, PERCENT, AMPERSAND, SPACE] = [0x2b, 0x25, 0x26, 0x20];

/** Whether a request says that its body is a form. curl says so of every body, so the body must begin as one, too. */
export function isForm(headers: Headers): boolean {
	return /^application\/x-www-form-urlencoded\b/i.test(headers.get("Content-Type") ?? "");
}

/** Decodes such a form (https://url.spec.whatwg.org/#urlencoded-parsing). Bytes that do not begin with `payload=` stay as they are. */
class FormPayload {
	/** How many bytes of the field's name have come. */
	#named = 0;
	#state: "name" | "raw" | "value" | "over" = "name";
	/** A percent sign, and perhaps a digit, that wait for their next bytes. */
	#open: number[] = [];

	/** The decoded bytes that this chunk completes. */
	take(chunk: Uint8Array): Uint8Array {
		if (this.#state === "name") return this.#takeName(chunk);
		if (this.#state === "raw") return chunk;
		return this.#takeValue(chunk);
	}

	/** What is left once the last chunk was taken. */
	end(): Uint8Array {
		const rest = this.#state === "name" ? FIELD.slice(0, this.#named) : Uint8Array.from(this.#open);
		this.#open = [];
		this.#state = "over";
		return rest;
	}

	#takeName(chunk: Uint8Array): Uint8Array {
		for (const [index, byte] of chunk.entries()) {
			if (byte !== FIELD[this.#named]) {
				this.#state = "raw";
				return joined(FIELD.subarray(0, this.#named), chunk.subarray(index));
			}
			this.#named += 1;
			if (this.#named === FIELD.byteLength) {
				this.#state = "value";
				return this.#takeValue(chunk.subarray(index + 1));
			}
		}
		return new Uint8Array();
	}

	#takeValue(chunk: Uint8Array): Uint8Array {
		const decoded = new Uint8Array(chunk.byteLength + this.#open.length);
		let size = 0;
		for (const byte of chunk) {
			if (this.#state === "over") break;
			if (this.#open.length > 0) {
				if (isHexDigit(byte)) {
					this.#open.push(byte);
					if (this.#open.length < 3) continue;
					decoded[size++] = Number.parseInt(String.fromCharCode(...this.#open.slice(1)), 16);
					this.#open = [];
					continue;
				}
				for (const literal of this.#open) decoded[size++] = literal;
				this.#open = [];
			}
			if (byte === PERCENT) this.#open.push(byte);
			else if (byte === AMPERSAND) this.#state = "over";
			else decoded[size++] = byte === PLUS ? SPACE : byte;
		}
		return decoded.subarray(0, size);
	}
}

function isHexDigit(byte: number): boolean {
	return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
	const whole = new Uint8Array(a.byteLength + b.byteLength);
	whole.set(a);
	whole.set(b, a.byteLength);
	return whole;
}

/** The JSON of a body that a request calls a form; any other body as it is. */
export function payloadBytes(headers: Headers, body: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
	if (!isForm(headers)) return body;
	const form = new FormPayload();
	const decoded = form.take(body);
	return joined(decoded, form.end());
}

/** Checks the signature of the JSON in a form, as Gitea and Forgejo sign it, while the form comes in. */
export function checkingPayload(check: BodyCheck): BodyCheck {
	const form = new FormPayload();
	return {
		update: (chunk) => check.update(form.take(chunk)),
		isAuthentic: () => {
			check.update(form.end());
			return check.isAuthentic();
		},
	};
}
