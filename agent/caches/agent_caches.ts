import path from "node:path";
import type { FileCoordinator } from "../transport/client.ts";
import { CacheSaves } from "./save_caches.ts";
import { WarmCaches } from "./warm_caches.ts";

/** The caches of an agent: those on its machine, and those that it saves. */
export interface AgentCaches {
	warm: WarmCaches;
	saves: CacheSaves;
	/** For caches that arrive. */
	arriving: string;
}

/**
 * @param folder the agent's folder for caches, on the disk of the workspaces
 * @param limit how many bytes those on this machine may take
 */
export function openCaches(client: FileCoordinator, folder: string, limit: number): AgentCaches {
	const warm = new WarmCaches(path.join(folder, "warm"), limit);
	return { warm, saves: new CacheSaves(client, path.join(folder, "saving"), warm), arriving: path.join(folder, "arriving") };
}
