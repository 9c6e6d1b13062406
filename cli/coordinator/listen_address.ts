import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { UsageError } from "../usage_error.ts";

/** Where the coordinator listens, and the addresses at which this machine and others reach it. */

const PORT_TIMEOUT_MS = 2_000;
const PORT_RETRY_MS = 50;

export interface Addresses {
	/** Where this machine reaches the coordinator. */
	local: string;
	/** The address that links use. */
	links: string;
	/** Where other machines reach it, if it listens on all addresses and no public one is set. */
	others: readonly string[];
}

export function addressesOf(host: string, port: number, publicUrl: string | null): Addresses {
	const local = `http://${isWildcard(host) ? "127.0.0.1" : bracketed(host)}:${port}`;
	return {
		local,
		links: (publicUrl ?? local).replace(/\/$/, ""),
		others: publicUrl === null ? machineAddresses(host).map((one) => `http://${bracketed(one)}:${port}`) : [],
	};
}

/**
 * The port itself if it is free, any free one for 0. The workerd of a killed host may still be
 * ending and hold the port for a moment, so a port in use is tried again for a while.
 * @throws UsageError
 */
export async function freePort(host: string, port: number): Promise<number> {
	for (const until = Date.now() + PORT_TIMEOUT_MS; ; await sleep(PORT_RETRY_MS)) {
		try {
			return await tryPort(host, port);
		} catch (error) {
			const isInUse = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
			if (isInUse && Date.now() < until) continue;
			const why = isInUse ? "is in use by another program. Choose another with --port." : `cannot be used: ${(error as Error).message}`;
			throw new UsageError(`Port ${port} on ${host} ${why}`);
		}
	}
}

function tryPort(host: string, port: number): Promise<number> {
	return new Promise((resolve, reject) => {
		const server = createServer();
		server.once("error", reject);
		server.listen({ host, port, exclusive: true }, () => {
			const { port: chosen } = server.address() as { port: number };
			server.close(() => resolve(chosen));
		});
	});
}

function isWildcard(host: string): boolean {
	return host === "0.0.0.0" || host === "::";
}

/** The addresses of this machine for others, if the coordinator listens on all of them. */
function machineAddresses(host: string): string[] {
	if (!isWildcard(host)) return [];
	return Object.values(networkInterfaces())
		.flatMap((addresses) => addresses ?? [])
		.filter(({ internal, family, scopeid }) => !internal && (family === "IPv4" || (host === "::" && !scopeid)))
		.map(({ address }) => address);
}

function bracketed(host: string): string {
	return host.includes(":") ? `[${host}]` : host;
}
