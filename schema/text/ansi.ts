import { tokenizer } from "@ansi-tools/parser";
import { joined } from "../wire/bytes.ts";

/**
 * All knowledge of terminal sequences (ECMA-48). Pages, `format=clean`, the search, the terminal
 * and reasons read texts through this file. The library finds the sequences in one pass. This file
 * decides about broken ones: it never loses text with them.
 */

const ESCAPE = "\u001b";
/** The beginning of a sequence: ESC, or a C1 control, which combines ESC and a letter. */
const INTRODUCERS = new RegExp(`[${ESCAPE}\\u0080-\\u009f]`);
const C1 = /[\u0080-\u009f]/g;
/** The introducers of control sequences and of operating system commands as the library names them. */
const CONTROL = "\u009b";
const COMMAND = "\u009d";
/** A character that cannot stand between `ESC [` and the final character. */
const NOT_A_PARAMETER = /[^ -?]/;

/**
 * Text; a control sequence (`ESC [ parameters final`); another sequence; or the beginning of a
 * sequence without its end.
 */
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

/** The parts of a text. Time and memory grow with the length of the text. */
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

/** A sequence with its final character, or without one if something else interrupted it. */
function* ended({ code, data }: Open, final: string): Generator<AnsiPart> {
	if (code === CONTROL) {
		const wrong = data.search(NOT_A_PARAMETER);
		// Characters that cannot be part of the sequence end it, and are text.
		if (wrong !== -1) yield { type: "text", text: data.slice(wrong) + final };
		else if (final !== "") yield { type: "control", parameters: data, final };
	} else if (code === ESCAPE && final !== "" && !/[0-~]/.test(final)) yield { type: "text", text: final };
	else yield { type: "other" };
}

/** The shortest beginning that treats the next characters as the whole sequence would. */
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
/** The first byte of each C1 control in UTF-8. One more byte follows. */
const C1_LEAD = 0xc2;
/** Separates the bytes of other characters from control characters. */
const SHIFT = 0x100;

/**
 * Removes the sequences from the bytes of one line, which arrive in chunks. Every other byte stays
 * as it is.
 */
export class AnsiStripper {
	#beginning = "";
	/** The last byte of a chunk, if the next one may make it a C1 control. */
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

	/**
	 * The line has ended: returns the bytes that were held back. No sequence continues in the next
	 * line.
	 */
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
