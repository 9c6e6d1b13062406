import { createServer, type Server, type ServerResponse } from "node:http";
import { EXPOSITION_TYPE } from "../../schema/text/exposition.ts";
import type { AgentHealth } from "../protocol/running_agent.ts";

interface Told {
	health(): AgentHealth;
	metrics(): Promise<string>;
}

/**
 * Serves the health endpoint: `/healthz` (200), `/readyz` (200 while the agent reaches its coordinator
 * and takes work, otherwise 503), which both list the running jobs, and `/metrics` for Prometheus.
 */
export async function serveHealth(host: string, port: number, told: Told): Promise<Server> {
	const server = createServer((request, response) => void answer(request.url?.split("?", 1)[0], response, told));
	await new Promise<void>((resolve, reject) => {
		server.once("error", reject);
		server.listen(port, host, resolve);
	});
	return server;
}

async function answer(path: string | undefined, response: ServerResponse, { health, metrics }: Told): Promise<void> {
	if (path === "/metrics") {
		response.writeHead(200, { "Content-Type": EXPOSITION_TYPE, "Cache-Control": "no-store" });
		response.end(await metrics());
		return;
	}
	const { isReady, body } = health();
	const status = path === "/healthz" ? 200 : path === "/readyz" ? (isReady ? 200 : 503) : 404;
	const shown = status === 404 ? { error: "not_found", message: "The health endpoint has only /healthz, /readyz and /metrics." } : body;
	response.writeHead(status, { "Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store" });
	response.end(`${JSON.stringify(shown)}\n`);
}
