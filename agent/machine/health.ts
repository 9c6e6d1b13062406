import { createServer, type Server } from "node:http";
import type { AgentHealth } from "../protocol/running_agent.ts";

/**
 * Answers on a port of its own, on this machine alone: `/healthz` (the process answers), `/readyz` (200 while the agent is in touch
 * with its coordinator and takes work, 503 otherwise), both with what it runs.
 */
export async function serveHealth(port: number, health: () => AgentHealth): Promise<Server> {
	const server = createServer((request, response) => {
		const { isReady, body } = health();
		const path = request.url?.split("?", 1)[0];
		const status = path === "/healthz" ? 200 : path === "/readyz" ? (isReady ? 200 : 503) : 404;
		const answer = status === 404 ? { error: "not_found", message: "There are /healthz and /readyz." } : body;
		response.writeHead(status, { "Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store" });
		response.end(`${JSON.stringify(answer)}\n`);
	});
	await new Promise<void>((resolve, reject) => {
		server.once("error", reject);
		server.listen(port, "127.0.0.1", resolve);
	});
	return server;
}
