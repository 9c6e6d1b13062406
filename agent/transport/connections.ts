import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";

export interface OutgoingRequest {
	method: "GET" | "POST" | "PUT" | "PATCH";
	url: string;
	headers: Record<string, string>;
	body: string | Uint8Array | Readable | null;
	/** How long the server may send nothing; null: no limit. */
	quietTimeoutMs: number | null;
	/** Aborts the request, and the body of its answer. */
	signal: AbortSignal;
}

export interface Response {
	status: number;
	headers: IncomingHttpHeaders;
	body: Readable;
}

/** Connections to one server, kept open between requests. */
export interface Connections {
	/**
	 * Sends a request.
	 * @returns the answer, once its headers have arrived
	 * @throws NoAnswerInTime, BodyUnusable, or the error of the network
	 */
	send(request: OutgoingRequest): Promise<Response>;
	close(): Promise<void>;
}

/** The server sends nothing for too long. */
export class NoAnswerInTime extends Error {
	override name = "NoAnswerInTime";
	constructor() {
		super("no answer in time");
	}
}

/** The body of a request does not have the announced length. */
export class BodyUnusable extends Error {
	override name = "BodyUnusable";
}

/** The coordinator closes connections that were idle for 15 s; the client must close them first. */
export const KEEP_ALIVE_MS = 8_000;
export const CONNECT_TIMEOUT_MS = 10_000;
export const MOST_CONNECTIONS = 64;
