import { type Agent, type ClientRequest, Agent as HttpAgent, request as httpRequest } from "node:http";
import type { Socket } from "node:net";
import { pipeline, Readable } from "node:stream";
import {
	BodyUnusable,
	CONNECT_TIMEOUT_MS,
	type Connections,
	KEEP_ALIVE_MS,
	MOST_CONNECTIONS,
	NoAnswerInTime,
	type OutgoingRequest,
	type Response,
} from "./connections.ts";

/**
 * Connections without a proxy, by Node's own client. undici compiles its parser from WebAssembly,
 * and the compiler's memory stays allocated: 35 MB.
 */
export class DirectConnections implements Connections {
	readonly #request: typeof httpRequest;
	readonly #agent: Agent;

	private constructor(request: typeof httpRequest, agent: Agent) {
		this.#request = request;
		this.#agent = agent;
	}

	/** @param ca certificates (PEM) to trust besides the system's */
	static async open(server: string, ca: string | null): Promise<DirectConnections> {
		const options = { keepAlive: true, timeout: KEEP_ALIVE_MS, maxSockets: MOST_CONNECTIONS };
		if (!server.startsWith("https:")) return new DirectConnections(httpRequest, new HttpAgent(options));
		const [{ Agent, request }, { getCACertificates }] = await Promise.all([import("node:https"), import("node:tls")]);
		return new DirectConnections(request, new Agent({ ...options, ...(ca !== null && { ca: [...getCACertificates("default"), ca] }) }));
	}

	send({ method, url, headers, body, quietTimeoutMs, signal }: OutgoingRequest): Promise<Response> {
		return new Promise((resolve, reject) => {
			const outgoing = this.#request(url, { method, headers, agent: this.#agent });
			let answer: Readable | null = null;
			const end = (reason: Error) => (answer ?? outgoing).destroy(reason);
			outgoing.on("response", (incoming) => {
				answer = incoming;
				resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: incoming });
			});
			outgoing.on("error", (error) => reject(isLengthError(error) ? new BodyUnusable(error.message) : error));
			outgoing.on("socket", (socket) => limitConnecting(socket, outgoing));
			if (quietTimeoutMs !== null) outgoing.setTimeout(quietTimeoutMs, () => end(new NoAnswerInTime()));
			signal.addEventListener("abort", () => end(signal.reason), { once: true });
			if (body instanceof Readable) {
				Object.assign(outgoing, { strictContentLength: true });
				// The request emits the errors of the body.
				pipeline(body, outgoing, () => undefined);
			} else outgoing.end(body ?? undefined);
		});
	}

	async close(): Promise<void> {
		this.#agent.destroy();
	}
}

function limitConnecting(socket: Socket, outgoing: ClientRequest): void {
	if (!socket.connecting) return;
	const timer = setTimeout(() => outgoing.destroy(new NoAnswerInTime()), CONNECT_TIMEOUT_MS);
	const stop = () => clearTimeout(timer);
	socket.once("connect", stop).once("close", stop);
}

function isLengthError({ code }: NodeJS.ErrnoException): boolean {
	return code === "ERR_HTTP_CONTENT_LENGTH_MISMATCH";
}
