import { accessSync, constants, statSync } from "node:fs";
import path from "node:path";
import { variableSizeError } from "../../schema/wire/variable_size.ts";

/** Why a step cannot be started, found before the system's own error would say less. */

/** A step that could not be started; the message says what is wrong and what to do. */
export class CannotStart extends Error {
	override name = "CannotStart";
	/** The code of the job's reason. */
	readonly code: string;

	constructor(code: string, message: string) {
		super(message);
		this.code = code;
	}

	/** What the system says of a command that it cannot start, in words. */
	static of(error: Error, command: string, env: Readonly<Record<string, string>>): CannotStart {
		const { code } = error as NodeJS.ErrnoException;
		if (code === "E2BIG") return tooLarge(sizeOf(env));
		if (code === "ENOENT") return new CannotStart("workspace_missing", WORKSPACE_MISSING);
		return new CannotStart("step_not_started", `${command} cannot be started: ${error.message}.`);
	}
}

export const WORKSPACE_MISSING =
	"The workspace does not exist any more: an earlier step has removed or moved it. Remove the files in it, not the folder itself.";

/** What Linux starts a program with at most: a quarter of the usual stack of 8 MiB, see ARG_MAX in execve(2). */
const MAX_ENVIRONMENT_BYTES = 2 * 1024 * 1024;
/** What the system calls look in where there is no PATH. */
const DEFAULT_PATH = "/usr/bin:/bin";

/**
 * Finds the program of a shell on the PATH of a step.
 * @throws CannotStart
 */
export function findShell(name: string, env: Readonly<Record<string, string>>): string {
	const searched = env.PATH ?? DEFAULT_PATH;
	for (const folder of searched.split(path.delimiter)) {
		if (path.isAbsolute(folder) && isProgram(path.join(folder, name))) return path.join(folder, name);
	}
	throw shellMissing(name, `on the PATH of this step (${searched})`, env);
}

/** @param where what was searched */
export function shellMissing(name: string, where: string, env: Readonly<Record<string, string>>): CannotStart {
	const hint = (env.PATH ?? "").includes("$")
		? `Variables are not expanded in env: set PATH in the step itself, such as export PATH="/opt/bin:$PATH".`
		: `Install ${name}, or choose another shell.`;
	return new CannotStart("shell_missing", `There is no ${name} ${where}. ${hint}`);
}

function isProgram(file: string): boolean {
	try {
		accessSync(file, constants.X_OK);
		return statSync(file).isFile();
	} catch {
		return false;
	}
}

/** @throws CannotStart for an environment that no program can be started with */
export function assertFits(env: Readonly<Record<string, string>>): void {
	for (const [name, value] of Object.entries(env)) {
		const error = variableSizeError(name, value);
		if (error !== null) throw new CannotStart("environment_too_large", `The variable ${name} ${error}.`);
	}
	const bytes = sizeOf(env);
	if (bytes > MAX_ENVIRONMENT_BYTES) throw tooLarge(bytes);
}

/** Bytes as execve(2) counts them: each variable with a NUL and a pointer. */
function sizeOf(env: Readonly<Record<string, string>>): number {
	return Object.entries(env).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value) + 10, 0);
}

function tooLarge(bytes: number): CannotStart {
	return new CannotStart(
		"environment_too_large",
		`The variables of this step have ${bytes} bytes together; no program can be started with so many. Put long values into files.`,
	);
}
