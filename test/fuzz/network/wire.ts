import net from "node:net";

/** HTTP/1.1 as bytes: what a well-meaning client would never send has to be sent, and what comes back is to be looked at closely. */

export interface Answer {
	status: number;
	/** By lower-case name; what came twice is joined with a comma. */
	headers: Map<string, string>;
	body: Buffer;
	/** Whether all of the body came; a stream that goes on is left after a while. */
	isWhole: boolean;
}

/** What one connection gave back. */
export interface Exchange {
	answers: Answer[];
	/** Bytes after the last answer that are none themselves. */
	rest: Buffer;
	isClosed: boolean;
}

const HEAD_END = Buffer.from("\r\n\r\n");

/** Reads answers as their bytes come in. */
class AnswerReader {
	#pending: Buffer = Buffer.alloc(0);
	readonly #methods: string[];
	#head: { status: number; headers: Map<string, string> } | null = null;
	#chunks: Buffer[] = [];
	readonly answers: Answer[] = [];

	/** @param methods of the requests, in their order: to HEAD no body comes */
	constructor(methods: readonly string[]) {
		this.#methods = [...methods];
	}

	get rest(): Buffer {
		return this.#pending;
	}

	/** Whether an answer has begun and is not over. */
	get isInside(): boolean {
		return this.#head !== null;
	}

	/** Whether the present answer is one that may go on for ever. */
	get isStream(): boolean {
		return /^text\/(event-stream|plain)/.test(this.#head?.headers.get("content-type") ?? "");
	}

	push(bytes: Buffer): void {
		this.#pending = Buffer.concat([this.#pending, bytes]);
		while (this.#take());
	}

	/** The connection is over, or is left: what has come of the present answer counts as it is. */
	end(isClosed: boolean): void {
		if (!this.#head) return;
		const { headers } = this.#head;
		const isUntilClose = !headers.has("content-length") && !headers.has("transfer-encoding");
		if (isUntilClose) {
			this.#chunks.push(this.#pending);
			this.#pending = Buffer.alloc(0);
		}
		this.#finish(isClosed && isUntilClose);
	}

	/** @returns whether there may be more to take */
	#take(): boolean {
		if (!this.#head) return this.#takeHead();
		const { status, headers } = this.#head;
		if (this.#methods[0] === "HEAD" || status === 204 || status === 304) return this.#finish(true);
		if (headers.get("transfer-encoding") === "chunked") return this.#takeChunk();
		const length = headers.get("content-length");
		if (length === undefined || this.#pending.byteLength < Number(length)) return false;
		this.#chunks.push(this.#cut(Number(length)));
		return this.#finish(true);
	}

	#takeHead(): boolean {
		const end = this.#pending.indexOf(HEAD_END);
		if (end === -1) return false;
		const [first = "", ...lines] = this.#cut(end + HEAD_END.byteLength)
			.subarray(0, end)
			.toString("latin1")
			.split("\r\n");
		const [, status] = /^HTTP\/1\.[01] (\d{3}) /.exec(first) ?? [];
		if (status === undefined) throw new Error(`not the first line of an answer: ${JSON.stringify(first)}`);
		if (status === "100") return true;
		this.#head = { status: Number(status), headers: headersOf(lines) };
		return true;
	}

	#takeChunk(): boolean {
		const end = this.#pending.indexOf("\r\n");
		if (end === -1) return false;
		const text = this.#pending.subarray(0, end).toString("latin1");
		const size = Number.parseInt(text, 16);
		if (!/^[0-9a-f]+$/i.test(text)) throw new Error(`not the size of a chunk: ${JSON.stringify(text)}`);
		if (this.#pending.byteLength < end + 2 + size + 2) return false;
		this.#cut(end + 2);
		this.#chunks.push(this.#cut(size));
		this.#cut(2);
		return size === 0 ? this.#finish(true) : true;
	}

	#cut(length: number): Buffer {
		const part = this.#pending.subarray(0, length);
		this.#pending = this.#pending.subarray(length);
		return part;
	}

	#finish(isWhole: boolean): boolean {
		if (this.#head) this.answers.push({ ...this.#head, body: Buffer.concat(this.#chunks), isWhole });
		this.#head = null;
		this.#chunks = [];
		// Where there are more answers than requests, the bytes were more requests than was meant.
		if (this.#methods.length > 1) this.#methods.shift();
		return true;
	}
}

function headersOf(lines: readonly string[]): Map<string, string> {
	const headers = new Map<string, string>();
	for (const line of lines) {
		const colon = line.indexOf(":");
		if (colon <= 0) throw new Error(`not a header of an answer: ${JSON.stringify(line)}`);
		const name = line.slice(0, colon).toLowerCase();
		const value = line.slice(colon + 1).trim();
		headers.set(name, headers.has(name) ? `${headers.get(name)}, ${value}` : value);
	}
	return headers;
}

/** How one connection is led. */
export interface Conversation {
	port: number;
	/** Written one after the other. */
	pieces: readonly Uint8Array[];
	/** The methods of the requests. */
	methods: readonly string[];
	/** What is done once all is written: wait for the answers, say that nothing more comes, or be gone without a word. */
	ending: "wait" | "end" | "reset";
	/** How long silence is taken for the end. */
	patienceMs: number;
}

/** Leads one connection to its end. */
export function converse({ port, pieces, methods, ending, patienceMs }: Conversation): Promise<Exchange> {
	return new Promise((resolve, reject) => {
		const reader = new AnswerReader(methods);
		const socket = net.connect({ host: "127.0.0.1", port, noDelay: true });
		const settle = (isClosed: boolean) => {
			clearTimeout(timer);
			// No port may stay taken behind a closed connection: there are only so many.
			socket.resetAndDestroy();
			reader.end(isClosed);
			resolve({ answers: reader.answers, rest: reader.rest, isClosed });
		};
		const timer = setTimeout(() => settle(false), patienceMs);
		const isDone = () => reader.answers.length >= methods.length && !reader.isInside && reader.rest.byteLength === 0;
		socket.on("connect", async () => {
			for (const piece of pieces) {
				if (socket.destroyed) return;
				socket.write(piece);
				if (pieces.length > 1) await new Promise((next) => setImmediate(next));
			}
			if (ending === "end") socket.end();
			if (ending === "reset") settle(false);
		});
		socket.on("data", (bytes) => {
			try {
				reader.push(bytes);
			} catch (error) {
				clearTimeout(timer);
				socket.resetAndDestroy();
				reject(error);
				return;
			}
			timer.refresh();
			if (ending === "wait" && isDone()) settle(false);
		});
		socket.on("end", () => settle(true));
		// A server may be through with a request, and with the connection, before all of it was written.
		socket.on("error", () => settle(true));
	});
}

/** A request that is well formed as HTTP, whatever is in it. */
export interface WireRequest {
	method: string;
	target: string;
	headers: readonly (readonly [string, string])[];
	body: Uint8Array | null;
}

function requestBytes({ method, target, headers, body }: WireRequest): Buffer {
	const lines = [`${method} ${target} HTTP/1.1`, ...headers.map(([name, value]) => `${name}: ${value}`)];
	if (body) lines.push(`Content-Length: ${body.byteLength}`);
	return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), body ?? Buffer.alloc(0)]);
}

/** How long silence may last: before an answer begins, and in one that may go on for ever. */
export interface Patience {
	answerMs: number;
	streamMs: number;
}

/** A connection that is kept for one request after the other. */
export class Connection {
	readonly #port: number;
	#socket: net.Socket | null = null;

	constructor(port: number) {
		this.#port = port;
	}

	/** Sends a request and waits for its answer. @returns null if none came */
	async ask(request: WireRequest, patience: Patience): Promise<Answer | null> {
		const isFresh = this.#socket === null;
		const answer = await this.#once(request, patience);
		if (answer !== "closed") return answer;
		// A kept connection may be closed just when it is to be used again.
		const again = isFresh ? "closed" : await this.#once(request, patience);
		return again === "closed" ? null : again;
	}

	close(): void {
		this.#socket?.resetAndDestroy();
		this.#socket = null;
	}

	#once(request: WireRequest, { answerMs, streamMs }: Patience): Promise<Answer | null | "closed"> {
		const socket = this.#socket ?? net.connect({ host: "127.0.0.1", port: this.#port, noDelay: true });
		this.#socket = socket;
		return new Promise((resolve, reject) => {
			const reader = new AnswerReader([request.method]);
			const settle = (isKept: boolean, isClosed: boolean) => {
				clearTimeout(timer);
				socket.removeAllListeners();
				socket.on("error", () => undefined);
				if (!isKept) this.close();
				reader.end(isClosed);
				resolve(reader.answers[0] ?? (isClosed ? "closed" : null));
			};
			let timer = setTimeout(() => settle(false, false), answerMs);
			socket.on("data", (bytes) => {
				try {
					reader.push(bytes);
				} catch (error) {
					reject(error);
					settle(false, false);
					return;
				}
				clearTimeout(timer);
				timer = setTimeout(() => settle(false, false), reader.isStream ? streamMs : answerMs);
				const [answer] = reader.answers;
				if (answer) settle(answer.headers.get("connection") !== "close" && reader.rest.byteLength === 0, false);
			});
			socket.on("end", () => settle(false, true));
			socket.on("error", () => settle(false, true));
			socket.write(requestBytes(request));
		});
	}
}
