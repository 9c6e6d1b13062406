import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import path from "node:path";
import { PROBES, UNKNOWN_VERSION, versionIn } from "../execution/tool_probes.ts";

const PROBE_MS = 2_000;

/**
 * Finds the tools of this machine and their versions. A tool that takes longer than two seconds has
 * an unknown version.
 * @param own the probes of the agent's options: tool → command
 * @returns tool → version
 */
export async function findTools(own: Readonly<Record<string, string>>): Promise<Record<string, string>> {
	const known = Object.entries(PROBES).map(async ([tool, [command = "", ...args]]) =>
		(await isOnPath(command)) ? ([tool, versionIn(await output(command, args)) ?? UNKNOWN_VERSION] as const) : null,
	);
	// A probe of the options that fails says that the tool is missing.
	const further = Object.entries(own).map(async ([tool, command]) => {
		const answer = await output("sh", ["-c", command]);
		return answer === null ? null : ([tool, versionIn(answer) ?? UNKNOWN_VERSION] as const);
	});
	const found = (await Promise.all([...known, ...further])).filter((one) => one !== null);
	return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function isOnPath(command: string): Promise<boolean> {
	for (const folder of (process.env.PATH ?? "").split(path.delimiter)) {
		if (folder === "") continue;
		const isThere = await access(path.join(folder, command), constants.X_OK).then(
			() => true,
			() => false,
		);
		if (isThere) return true;
	}
	return false;
}

/** What a command prints on both outputs; null if it fails, or takes too long. */
function output(command: string, args: readonly string[]): Promise<string | null> {
	return new Promise((resolve) => {
		const options = { timeout: PROBE_MS, maxBuffer: 64 * 1024, killSignal: "SIGKILL" as const, cwd: "/" };
		const child = execFile(command, [...args], options, (error, stdout, stderr) => resolve(error ? null : `${stdout}\n${stderr}`));
		child.stdin?.end();
	});
}
