import { tokenizer } from "@ansi-tools/parser";
import { joined } from "../wire/bytes.ts";

/**
 * The one place that knows terminal sequences (ECMA-48): pages, `format=clean`, the search, the terminal and reasons read texts
 * through it. The library finds the sequences in one pass; what it makes of broken ones is decided here: text is never lost with them.
 */

const ESCAPE = "\u001b";
/** What begins a sequence: ESC, or a C1 control, which is ESC and a letter in one character. */
const INTRODUCERS = new RegExp(`[${ESCAPE}\\u0080-\\u009f]`);
const C1 = /[\u0080-\u009f]/g;
/** The introducers of control sequences and of operating system commands as the library names them. */
const CONTROL = "\u009b";
const COMMAND = "\u009d";
/** What may stand between `ESC [` and the final character. */
const NOT_A_PARAMETER = /[^ -?]/;

/** Text; a control sequence (`ESC [ parameters final`); any other sequence; or the beginning of one whose end is missing. */
export type AnsiPart =
	| { type: "text"; text: string }
	| { type: "control"; parameters: string; final: string }
	| { type: "other" }
	| { type: "unfinished"; beginning: string };

interface Open {
	code: string;
	intermediate: string;
	data: string;
}

/** Whether a text may hold sequences at all. */
export function hasAnsi(text: string): boolean {
	return INTRODUCERS.test(text);
}

/** The parts of a text, in a time and in memory that grow with its length. */
export function* ansiParts(text: string): Generator<AnsiPart> {
	let open: Open | null = null;
	for (const { type, raw, code, intermediate } of tokenizer(text.replace(C1, withEscape))) {
		if (type === "DATA" && open) open.data += raw;
		else {
			if (open) yield* ended(open, type === "FINAL" ? raw : "");
			open = null;
			if (type === "INTRODUCER") open = { code: code ?? "", intermediate: intermediate ?? "", data: "" };
			else if (type === "TEXT") yield { type: "text", text: raw };
		}
	}
	if (!open) return;
	if (open.code === CONTROL && NOT_A_PARAMETER.test(open.data)) yield* ended(open, "");
	else yield { type: "unfinished", beginning: beginningOf(open) };
}

function withEscape(c1: string): string {
	return ESCAPE + String.fromCharCode(c1.charCodeAt(0) - 0x40);
}

/** A sequence with its final character; without one, if something else has interrupted it. */
function* ended({ code, data }: Open, final: string): Generator<AnsiPart> {
	if (code === CONTROL) {
		const wrong = data.search(NOT_A_PARAMETER);
		// What cannot be a part of the sequence ends it, and is text.
		if (wrong !== -1) yield { type: "text", text: data.slice(wrong) + final };
		else if (final !== "") yield { type: "control", parameters: data, final };
	} else if (code === ESCAPE && final !== "" && !/[0-~]/.test(final)) yield { type: "text", text: final };
	else yield { type: "other" };
}

/** As little of a sequence as makes what follows go on as if all of it stood before. */
function beginningOf({ code, intermediate }: Open): string {
	if (code === ESCAPE) return ESCAPE + intermediate.slice(0, 1);
	return ESCAPE + (code === CONTROL ? "[" : code === COMMAND ? "]" : code);
}

/** A text without its sequences. */
export function plainText(text: string): string {
	if (!hasAnsi(text)) return text;
	let plain = "";
	for (const part of ansiParts(text)) if (part.type === "text") plain += part.text;
	return plain;
}

const ESCAPE_BYTE = 0x1b;
/** In UTF-8 each C1 control is this byte and one more. */
const C1_LEAD = 0xc2;
/** Bytes of other characters are kept apart from control characters by this. */
const SHIFT = 0x100;

/** Takes the sequences out of the bytes of one line, which come in pieces; every other byte stays as it is. */
export class AnsiStripper {
	#beginning = "";
	/** The last byte of a piece, if the next one may make it a C1 control. */
	#lead: number | null = null;
	readonly #decoder = new TextDecoder("utf-16le");

	push(piece: Uint8Array): Uint8Array {
		const bytes = this.#lead === null ? piece : joined([this.#takeLead(), piece]);
		if (this.#beginning === "" && !bytes.includes(ESCAPE_BYTE) && !bytes.includes(C1_LEAD)) return bytes;
		const parts = ansiParts(this.#beginning + this.#decoder.decode(this.#charactersOf(bytes)));
		this.#beginning = "";
		const plain = new Uint8Array(bytes.byteLength);
		let size = 0;
		for (const part of parts) {
			if (part.type === "unfinished") this.#beginning = part.beginning;
			if (part.type !== "text") continue;
			for (let at = 0; at < part.text.length; at += 1) plain[size++] = part.text.charCodeAt(at) % SHIFT;
		}
		return plain.subarray(0, size);
	}

	/** The line is over: what was held back of it; no sequence goes on in the next. */
	end(): Uint8Array {
		this.#beginning = "";
		return this.#takeLead();
	}

	#takeLead(): Uint8Array {
		const held = this.#lead === null ? new Uint8Array() : Uint8Array.of(this.#lead);
		this.#lead = null;
		return held;
	}

	/** A character for each byte; a C1 control is two of them, as it is two bytes. */
	#charactersOf(bytes: Uint8Array): Uint16Array {
		const characters = new Uint16Array(bytes.byteLength);
		for (let at = 0; at < bytes.byteLength; at += 1) {
			const byte = bytes[at] as number;
			const next = bytes[at + 1];
			if (byte === C1_LEAD && next === undefined) {
				this.#lead = byte;
				return characters.subarray(0, at);
			}
			if (byte === C1_LEAD && next !== undefined && next >= 0x80 && next <= 0x9f) {
				characters[at] = ESCAPE_BYTE;
				characters[at + 1] = next - 0x40;
				at += 1;
			} else characters[at] = byte < 0x80 ? byte : byte + SHIFT;
		}
		return characters;
	}
}
