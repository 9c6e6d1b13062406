import { BadBundle, type BundleEntry } from "../../schema/wire/source_bundle.ts";

/**
 * Reads the headers of a tar archive from a stream (POSIX.1-2017 pax and ustar, and GNU's long
 * names) and skips the files.
 * A library that gives each entry a stream is a hundred times slower here, and bundles have many
 * entries.
 */

const BLOCK = 512;
/** The size limit of an extended header, which holds names and times. */
const LONGEST_EXTENSION = 1024 * 1024;

const TYPES: Record<string, string> = {
	"\0": "file",
	"0": "file",
	"7": "file",
	"1": "link",
	"2": "symlink",
	"3": "character-device",
	"4": "block-device",
	"5": "directory",
	"6": "fifo",
	g: "pax-global-header",
};
/** Entry types without bytes, whatever size their header has. */
const BODYLESS: ReadonlySet<string> = new Set(["1", "2", "3", "4", "5", "6"]);

/** The bytes are no tar archive. */
export class NotAnArchive extends Error {
	override name = "NotAnArchive";
}

export class TarHeaders {
	readonly #onEntry: (entry: BundleEntry) => void;
	/** The bytes of the current header or extension. */
	#pending = new Uint8Array(BLOCK);
	#pendingBytes = 0;
	/** Its whole size. */
	#pendingSize = BLOCK;
	/** The current extension, which applies to the next entry. */
	#extension: "x" | "L" | "K" | null = null;
	#skip = 0;
	#next: { path?: string; linkpath?: string; size?: number } = {};
	#hasEnded = false;
	readonly #decoder = new TextDecoder();

	/** @param onEntry called with each entry; its error ends the reading */
	constructor(onEntry: (entry: BundleEntry) => void) {
		this.#onEntry = onEntry;
	}

	/** @throws NotAnArchive, and errors of `onEntry` */
	push(chunk: Uint8Array): void {
		for (let at = 0; at < chunk.byteLength && !this.#hasEnded; ) {
			if (this.#skip > 0) {
				const skipped = Math.min(this.#skip, chunk.byteLength - at);
				this.#skip -= skipped;
				at += skipped;
				continue;
			}
			const part = chunk.subarray(at, at + this.#pendingSize - this.#pendingBytes);
			this.#pending.set(part, this.#pendingBytes);
			this.#pendingBytes += part.byteLength;
			at += part.byteLength;
			if (this.#pendingBytes === this.#pendingSize) this.#takePending();
		}
	}

	/** Ends the archive. @throws NotAnArchive if it is incomplete */
	end(): void {
		if (!this.#hasEnded && (this.#pendingBytes > 0 || this.#skip > 0)) throw new NotAnArchive("it is truncated");
	}

	#takePending(): void {
		const bytes = this.#pending.subarray(0, this.#pendingSize);
		const extension = this.#extension;
		this.#pendingBytes = 0;
		if (extension === null) {
			this.#takeHeader(bytes);
			return;
		}
		this.#extension = null;
		if (extension === "x") Object.assign(this.#next, this.#paxRecords(bytes));
		else this.#next[extension === "L" ? "path" : "linkpath"] = this.#text(bytes, 0, bytes.byteLength);
		this.#skip = padding(bytes.byteLength);
		this.#want(BLOCK);
	}

	#want(bytes: number): void {
		this.#pendingSize = bytes;
		if (this.#pending.byteLength < bytes) this.#pending = new Uint8Array(bytes);
	}

	#takeHeader(block: Uint8Array): void {
		if (block.every((byte) => byte === 0)) {
			this.#hasEnded = true;
			return;
		}
		checkSum(block);
		const flag = String.fromCharCode(block[156] ?? 0);
		const size = numberAt(block, 124, 12);
		if (flag === "x" || flag === "L" || flag === "K") {
			if (size > LONGEST_EXTENSION)
				throw new BadBundle(this.#text(block, 0, 100), `its extended header is larger than ${LONGEST_EXTENSION} bytes`);
			this.#extension = flag;
			if (size > 0) this.#want(size);
			else this.#extension = null;
			return;
		}
		const next = this.#next;
		this.#next = {};
		const bodyBytes = BODYLESS.has(flag) ? 0 : (next.size ?? size);
		this.#skip = bodyBytes + padding(bodyBytes);
		this.#onEntry({
			name: next.path ?? this.#nameIn(block),
			type: TYPES[flag] ?? `entry of type ${JSON.stringify(flag)}`,
			size: flag === "g" ? 0 : bodyBytes,
			linkname: next.linkpath ?? this.#text(block, 157, 100),
		});
	}

	#nameIn(block: Uint8Array): string {
		const name = this.#text(block, 0, 100);
		const prefix = this.#text(block, 257, 6) === "ustar" && block[262] === 0 ? this.#text(block, 345, 155) : "";
		return prefix === "" ? name : `${prefix}/${name}`;
	}

	/** Records `<length> <key>=<value>\n`; the decimal length counts the whole record. */
	#paxRecords(bytes: Uint8Array): { path?: string; linkpath?: string; size?: number } {
		const records: Record<string, string> = {};
		for (let at = 0; at < bytes.byteLength; ) {
			const blank = bytes.indexOf(0x20, at);
			const length = Number(this.#decoder.decode(bytes.subarray(at, blank)));
			if (blank === -1 || !Number.isSafeInteger(length) || length <= blank - at + 1 || at + length > bytes.byteLength)
				throw new NotAnArchive("an extended header is damaged");
			const record = this.#decoder.decode(bytes.subarray(blank + 1, at + length - 1));
			const equals = record.indexOf("=");
			records[record.slice(0, equals)] = record.slice(equals + 1);
			at += length;
		}
		const { path, linkpath, size } = records;
		const bytesOfFile = Number(size);
		if (size !== undefined && !(Number.isSafeInteger(bytesOfFile) && bytesOfFile >= 0))
			throw new NotAnArchive("an extended header is damaged");
		return {
			...(path === undefined ? {} : { path }),
			...(linkpath === undefined ? {} : { linkpath }),
			...(size === undefined ? {} : { size: bytesOfFile }),
		};
	}

	#text(bytes: Uint8Array, start: number, length: number): string {
		const field = bytes.subarray(start, start + length);
		const end = field.indexOf(0);
		return this.#decoder.decode(end === -1 ? field : field.subarray(0, end));
	}
}

function padding(bytes: number): number {
	return (BLOCK - (bytes % BLOCK)) % BLOCK;
}

function checkSum(block: Uint8Array): void {
	let sum = 0;
	for (let at = 0; at < BLOCK; at += 1) sum += at >= 148 && at < 156 ? 0x20 : (block[at] as number);
	if (numberAt(block, 148, 8) !== sum) throw new NotAnArchive("a header is damaged");
}

/** A number in octal digits, or in base 256 if the first bit is set (GNU). @throws NotAnArchive */
function numberAt(block: Uint8Array, start: number, length: number): number {
	const field = block.subarray(start, start + length);
	let value = 0;
	if ((field[0] ?? 0) & 0x80) {
		value = (field[0] as number) & 0x7f;
		for (const byte of field.subarray(1)) value = value * 256 + byte;
	} else {
		for (const byte of field) {
			if (byte === 0 || byte === 0x20) {
				if (value > 0) break;
				continue;
			}
			if (byte < 0x30 || byte > 0x37) throw new NotAnArchive("a header is damaged");
			value = value * 8 + byte - 0x30;
		}
	}
	if (!Number.isSafeInteger(value)) throw new NotAnArchive("a header is damaged");
	return value;
}
