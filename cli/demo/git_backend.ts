import { spawn } from "node:child_process";
import type { IncomingMessage, ServerResponse } from "node:http";

/**
 * Answers a request for one of the repositories of a folder by a process of `git http-backend`,
 * which speaks CGI (RFC 3875).
 */
export function answerGit(folder: string, { pathname, search }: URL, request: IncomingMessage, response: ServerResponse): void {
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
