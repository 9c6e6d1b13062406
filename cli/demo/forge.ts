import { spawn } from "node:child_process";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

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

/** Answers a request by a process of `git http-backend`, which speaks CGI. */
function serve(folder: string, request: IncomingMessage, response: ServerResponse): void {
	const { pathname, search } = new URL(request.url ?? "/", "http://forge");
	if (pathname.startsWith("/api/v1/")) {
		request.resume().once("end", () => response.writeHead(201, { "Content-Type": "application/json" }).end("{}"));
		return;
	}
	const backend = spawn("git", ["http-backend"], {
		env: {
			PATH: process.env.PATH,
			GIT_PROJECT_ROOT: folder,
			GIT_HTTP_EXPORT_ALL: "1",
			GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
			PATH_INFO: pathname,
			QUERY_STRING: search.slice(1),
			REQUEST_METHOD: request.method,
			CONTENT_TYPE: request.headers["content-type"] ?? "",
			HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
		},
		stdio: ["pipe", "pipe", "ignore"],
	});
	backend.once("error", () => response.destroy());
	// git stops reading when it has failed.
	request.pipe(backend.stdin).on("error", () => undefined);
	let head = Buffer.alloc(0);
	backend.stdout.on("data", (chunk: Buffer) => {
		if (response.headersSent) return void response.write(chunk);
		head = Buffer.concat([head, chunk]);
		const end = head.indexOf("\r\n\r\n");
		if (end === -1) return;
		const lines = head.subarray(0, end).toString().split("\r\n");
		const headers = Object.fromEntries(lines.map((line) => line.split(/: (.*)/, 2)));
		const { Status: status = "200", ...others } = headers;
		response.writeHead(Number.parseInt(status, 10), others);
		response.write(head.subarray(end + 4));
	});
	backend.stdout.once("end", () => response.end());
}
