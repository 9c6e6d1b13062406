import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import * as z from "zod";
import { Coordinator } from "../coordinator/coordinator.ts";
import { DataFolder } from "../coordinator/data_folder.ts";
import { JsonLog } from "../coordinator/json_log.ts";
import { DEFAULT_LIMITS, type Limits, type QueueTimes } from "../coordinator/options.ts";
import { parseOutbound } from "../coordinator/outbound.ts";
import { ownSecret } from "../own_secrets.ts";
import { stopSignals } from "../serve/stop_signals.ts";
import { printWelcome } from "../serve/welcome.ts";
import type { DemoAgent } from "./agents.ts";
import { fillWithContent, restartAgents } from "./fill.ts";
import { Forge } from "./forge.ts";

/** `windlass demo --content`: a coordinator with projects, runs and agents. */

const HOST = "127.0.0.1";
/** The agent that is lost must be missed within the fill. */
const TIMES: QueueTimes = { leaseTtlMs: 20_000, renewMs: 2_000, killGraceMs: 2_000 };
const YEAR_MS = 365 * 24 * 60 * 60_000;
/** Runs of history share the logs and files of runs of today, so nothing is deleted. */
const LIMITS: Limits = { ...DEFAULT_LIMITS, keepRunsMs: YEAR_MS, keepLogsMs: YEAR_MS, keepArtifactsMs: YEAR_MS };

/** What a stored folder remembers: the addresses of the repositories have the port of the forge. */
const remembered = z.object({ forgePort: z.number() });

/**
 * Serves until the first signal.
 * @param folder where everything is kept; null: a temporary folder, which is deleted at the end
 */
export async function serveContent(folder: string | null, port: number): Promise<void> {
	const used = folder ?? (await mkdtemp(path.join(os.tmpdir(), "windlass-demo-")));
	const data = DataFolder.open(path.join(used, "data"));
	try {
		await serveFolder(data, used, port);
	} finally {
		data.close();
		if (folder === null) await rm(used, { recursive: true, force: true, maxRetries: 5 });
	}
}

async function serveFolder(data: DataFolder, folder: string, port: number): Promise<void> {
	const stop = stopSignals();
	const preset = ownSecret("WINDLASS_ADMIN_TOKEN") ?? null;
	const forge = await forgeOf(folder);
	const agents: DemoAgent[] = [];
	const coordinator = await Coordinator.start({
		...{ host: HOST, port, publicUrl: null, trustedProxies: [], adminToken: preset },
		...{ masterKeys: { present: data.masterKey, former: null }, times: TIMES, limits: LIMITS, outbound: parseOutbound("loopback") },
		...{ data, log: new JsonLog("error"), logLevel: "error" },
	});
	try {
		const token = coordinator.newAdminToken ?? preset ?? "";
		if (data.isNew) process.stdout.write("The content is being made. That takes less than a minute.\n");
		const filling = data.isNew
			? fillWithContent(coordinator, { folder, token, forge: forge.url, agents })
			: restartAgents(coordinator, { folder, agents });
		const isReady = await Promise.race([filling.then(() => true), stop.first.then(() => false)]);
		if (isReady) {
			printWelcome(coordinator, HOST, null);
			await stop.first;
		}
	} finally {
		await Promise.all(agents.map((agent) => agent.stop()));
		await coordinator.stop();
		// A fill that was interrupted may have started another one meanwhile.
		await Promise.all(agents.map((agent) => agent.stop()));
		forge.stop();
	}
}

async function forgeOf(folder: string): Promise<Forge> {
	const file = path.join(folder, "content.json");
	const known = existsSync(file) ? remembered.parse(JSON.parse(readFileSync(file, "utf8"))) : null;
	const forge = await Forge.start(path.join(folder, "git"), known?.forgePort ?? 0);
	writeFileSync(file, JSON.stringify({ forgePort: forge.port } satisfies z.infer<typeof remembered>));
	return forge;
}
