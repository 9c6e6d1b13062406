import { createServer, type Server } from "node:http";
import type { AgentHealth } from "../protocol/running_agent.ts";

/**
 * Serves the health endpoint on a local port: `/healthz` (200), and `/readyz` (200 while the agent
 * reaches its coordinator and takes work, otherwise 503). Both list the running jobs.
 */
export async function serveHealth(port: number, health: () => AgentHealth): Promise<Server> {
	const server = createServer((request, response) => {
		const { isReady, body } = health();
		const path = request.url?.split("?", 1)[0];
		const status = path === "/healthz" ? 200 : path === "/readyz" ? (isReady ? 200 : 503) : 404;
		const answer = status === 404 ? { error: "not_found", message: "The health endpoint has only /healthz and /readyz." } : body;
		response.writeHead(status, { "Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store" });
		response.end(`${JSON.stringify(answer)}\n`);
	});
	await new Promise<void>((resolve, reject) => {
		server.once("error", reject);
		server.listen(port, "127.0.0.1", resolve);
	});
	return server;
}
