import { createHash } from "node:crypto";
import { Violation, type World } from "../world.ts";

/**
 * The globals that the product reads time and chance from, made to be those of the present world. What takes time outside of the
 * world (digests) is done at once.
 */

let world: World | null = null;

/** The world that runs now; there is one at a time. */
export function present(): World {
	if (!world) throw new Error("there is no world");
	return world;
}

export function enter(entered: World): void {
	world = entered;
}

const RealDate = Date;

class WorldDate extends RealDate {
	constructor(...parts: [] | [number | string]) {
		if (parts.length === 0) super(present().wallClock);
		else super(parts[0]);
	}

	static override now(): number {
		return present().wallClock;
	}
}

/** An answer, without the streams of a real one: bodies are whole here. */
class PlainResponse {
	readonly status: number;
	readonly headers: Headers;
	readonly body: string | null;

	constructor(
		body: string | Uint8Array | null,
		{ status = 200, headers = {} }: { status?: number; headers?: Record<string, string> } = {},
	) {
		this.body = body instanceof Uint8Array ? new TextDecoder().decode(body) : body;
		this.status = status;
		this.headers = new Headers(headers);
	}
}

const HASHES: Record<string, string> = { "SHA-256": "sha256" };

const plainCrypto = {
	getRandomValues<Bytes extends Uint8Array>(bytes: Bytes): Bytes {
		for (let at = 0; at < bytes.length; at += 1) bytes[at] = present().random.below(256);
		return bytes;
	},
	randomUUID(): string {
		const digits = Array.from({ length: 32 }, () => present().random.below(16).toString(16)).join("");
		return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
	},
	subtle: {
		async digest(algorithm: string, bytes: Uint8Array): Promise<Uint8Array> {
			return createHash(HASHES[algorithm] as string)
				.update(bytes)
				.digest();
		},
	},
};

/** What the coordinator logs, without what differs from machine to machine: where in the source it comes from. */
function messageOf(line: string): string {
	const { message } = JSON.parse(line) as { message: string };
	return `the coordinator says: ${message}`;
}

/** Replaces the globals, once and for this process. */
export function takeOver(): void {
	const set = (name: string, value: unknown) => Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
	set("Date", WorldDate);
	set("crypto", plainCrypto);
	set("Response", PlainResponse);
	set("performance", { now: () => present().now });
	Math.random = () => present().random.unit();
	set("setTimeout", (run: () => void, ms = 0) => {
		const { life } = present();
		return Object.assign(present().after(ms, `${life.name}: a timer of ${Math.round(ms)} ms`, run), { unref: () => undefined });
	});
	set("clearTimeout", (timer: { isCancelled: boolean } | undefined) => {
		if (timer) timer.isCancelled = true;
	});
	for (const level of ["debug", "info", "warn"] as const) console[level] = (line: unknown) => present().note(messageOf(String(line)));
	console.error = (line: unknown) => present().blame(new Violation("a fault was reported", String(line)));
	process.on("unhandledRejection", (error) => world?.blame(error));
}
