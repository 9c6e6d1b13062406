import { warmMirrors } from "../../schema/wire/mirrors.ts";
import { type MirrorFolders, warmMirror } from "../git/warm_mirror.ts";
import { log } from "../logger.ts";
import { sleep } from "../sleep.ts";
import type { Coordinator } from "../transport/client.ts";

/** How often the agent asks which mirrors it keeps warm, unless one of them is due earlier. */
const ASK_MS = 15 * 60_000;

interface WarmMirrors extends MirrorFolders {
	client: Coordinator;
	/** The agent's own. */
	token: () => string;
}

/**
 * Fetches the default branch of repositories whose mirrors are to be warm, until the signal is
 * aborted. Never throws.
 */
export async function keepMirrorsWarm({ client, token, ...folders }: WarmMirrors): Promise<void> {
	const { signal } = folders;
	/** Repository → when it was looked at last. A branch that nobody has moved is not fetched. */
	const lookedAt = new Map<string, number>();
	while (!signal.aborted) {
		let pause = ASK_MS;
		try {
			const { mirrors } = await client.fetch(warmMirrors, { method: "GET", path: "/api/v1/agents/self/mirrors", token: token(), signal });
			for (const mirror of mirrors) {
				pause = Math.min(pause, mirror.every_ms);
				const key = `${mirror.project} ${mirror.repository}`;
				const last = lookedAt.get(key) ?? 0;
				if (Math.abs(Date.now() - last) < mirror.every_ms) continue;
				lookedAt.set(key, Date.now());
				await warmMirror(folders, mirror);
			}
		} catch (error) {
			if (!signal.aborted) log("warn", `The agent cannot find out which mirrors are to be warm: ${(error as Error).message}`);
		}
		await sleep(pause, signal).catch(() => undefined);
	}
}
