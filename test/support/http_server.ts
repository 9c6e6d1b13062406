import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { AtEnd } from "./processes.ts";

/** Listens on this machine until the end. @returns the address, and what sets who answers */
export async function listen(atEnd: AtEnd): Promise<{ url: string; answerWith(listener: RequestListener): void }> {
	const server = createServer();
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	atEnd(() => {
		server.closeAllConnections();
		return new Promise<void>((resolve) => server.close(() => resolve()));
	});
	return {
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		answerWith: (listener) => void server.on("request", listener),
	};
}
