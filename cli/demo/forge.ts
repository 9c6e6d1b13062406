import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { answerGit } from "./git_backend.ts";

/**
 * The forge of the content: its repositories over HTTP, by git's own backend, and an API that
 * accepts every commit status.
 */
export class Forge {
	readonly url: string;
	readonly #server: Server;

	private constructor(server: Server) {
		this.#server = server;
		this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	}

	/** @param port 0 for any free port */
	static async start(folder: string, port: number): Promise<Forge> {
		const server = createServer((request, response) => serve(folder, request, response));
		await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
		return new Forge(server);
	}

	get port(): number {
		return Number(new URL(this.url).port);
	}

	stop(): void {
		this.#server.close();
		this.#server.closeAllConnections();
	}
}

function serve(folder: string, request: IncomingMessage, response: ServerResponse): void {
	const url = new URL(request.url ?? "/", "http://forge");
	if (url.pathname.startsWith("/api/v1/")) {
		request.resume().once("end", () => response.writeHead(201, { "Content-Type": "application/json" }).end("{}"));
		return;
	}
	answerGit(folder, url, request, response);
}
