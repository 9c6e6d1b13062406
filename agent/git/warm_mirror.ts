import { stat } from "node:fs/promises";
import type { WarmMirror } from "../../schema/wire/mirrors.ts";
import { log } from "../logger.ts";
import { gitCredentials } from "./credentials.ts";
import { type Fetched, mirrorOf, updateMirror } from "./fetch_commit.ts";
import { Git } from "./git.ts";
import { type Mirrored, mirrorFolder, viaMirror } from "./mirror.ts";
import { findCommit } from "./remote_refs.ts";

/** Every way in which jobs of a repository fetch its default branch: each has a mirror of its own. */
const WAYS: readonly Fetched[] = (["none", "blob:none"] as const).flatMap((filter) =>
	([1, "full"] as const).map((depth): Fetched => ({ depth, filter, tags: false })),
);
/** How long the mirrors of one repository may take. */
const LONGEST_MS = 10 * 60_000;
/** Ids of the two object formats; only their length counts. */
const ANY_IDS = ["0".repeat(40), "0".repeat(64)];

export interface MirrorFolders {
	/** The folder of the agent's mirrors. */
	mirrors: string;
	/** The environment of git. */
	env: Record<string, string>;
	signal: AbortSignal;
}

/**
 * Fetches the default branch of a repository into the mirrors of it that are there, and were not
 * fetched lately. This use does not keep them. Never throws.
 */
export async function warmMirror({ mirrors, env, signal: stopped }: MirrorFolders, mirror: WarmMirror): Promise<void> {
	// A job waits for a mirror that is fetched.
	const signal = AbortSignal.any([stopped, AbortSignal.timeout(LONGEST_MS)]);
	const { project, repository, default_branch, credentials, every_ms } = mirror;
	const at = { source: { git: repository }, mirrors, reader: credentials === null ? "" : project };
	const known = ANY_IDS.flatMap((id) => WAYS.map((way) => ({ way, mirrored: mirrorOf(at, id, way) })));
	try {
		const due: typeof known = [];
		for (const one of known) if (await isDue(one.mirrored, every_ms)) due.push(one);
		if (due.length === 0) return;
		const context = { env, credentials: credentials === null ? null : gitCredentials(repository, credentials), cgroup: null, signal };
		const git = new Git(
			{ ...context, spool: { write: async () => undefined, writeLine: async () => undefined }, onStart: stopWith(signal) },
			mirrors,
		);
		const found = await findCommit(git, { git: repository, ref: `refs/heads/${default_branch}`, commit: null });
		let hasFetched = false;
		for (const { way, mirrored } of due)
			hasFetched = (await viaMirror(git, mirrored, (into) => updateMirror(into, found, way), null)) || hasFetched;
		if (hasFetched) log("info", `${default_branch} of ${repository} is fetched ahead: ${found.sha}`);
	} catch (error) {
		if (!stopped.aborted) log("warn", `The mirror of ${repository} is not kept warm: ${(error as Error).message}`);
	}
}

/** Whether a mirror is there, and its last fetch is so long ago. */
async function isDue(mirrored: Mirrored, everyMs: number): Promise<boolean> {
	const fetched = await stat(`${mirrorFolder(mirrored)}/FETCH_HEAD`).catch(() => null);
	return fetched !== null && Date.now() - fetched.mtimeMs >= everyMs;
}

/** Ends a process of git with the signal. */
function stopWith(signal: AbortSignal): (process: { pid: number; exited: Promise<number> }) => void {
	return ({ pid, exited }) => {
		const stop = () => process.kill(pid, "SIGTERM");
		signal.addEventListener("abort", stop, { once: true });
		const forget = () => signal.removeEventListener("abort", stop);
		void exited.then(forget, forget);
	};
}
