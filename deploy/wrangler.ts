import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";

/** Runs the wrangler of this project, on the Node that runs this. */

export const ROOT = path.resolve(import.meta.dirname, "..");

const PROGRAM = path.join(ROOT, "node_modules/wrangler/bin/wrangler.js");
const ENVIRONMENT = { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" };

/** wrangler has failed; it has said why. */
export class WranglerError extends Error {
	constructor(args: readonly string[], output: string) {
		super(`wrangler ${args.join(" ")} has failed:\n${output.trim()}`);
	}
}

/** What a command has written to its standard output. @throws WranglerError */
export async function wrangler(args: readonly string[]): Promise<string> {
	const child = start(args, ["ignore", "pipe", "pipe"]);
	let [output, errors] = ["", ""];
	child.stdout?.on("data", (chunk: Buffer) => {
		output += chunk.toString();
	});
	child.stderr?.on("data", (chunk: Buffer) => {
		errors += chunk.toString();
	});
	const code = await exitOf(child);
	if (code !== 0) throw new WranglerError(args, errors + output);
	return output;
}

/** A command that shows its output to the user. */
export function wranglerShown(args: readonly string[]): ChildProcess {
	return start(args, "inherit");
}

/** The exit code of a process; 1 for one that a signal has ended. */
export function exitOf(child: ChildProcess): Promise<number> {
	return new Promise((resolve, reject) => {
		child.on("error", reject);
		child.on("close", (code) => resolve(code ?? 1));
	});
}

function start(args: readonly string[], stdio: "inherit" | ["ignore", "pipe", "pipe"]): ChildProcess {
	return spawn(process.execPath, [PROGRAM, ...args], { cwd: ROOT, stdio, env: ENVIRONMENT });
}
