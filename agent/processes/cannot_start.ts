import { accessSync, constants, statSync } from "node:fs";
import path from "node:path";
import type { ReasonCode } from "../../schema/wire/reasons.ts";
import { variableSizeError } from "../../schema/wire/variable_size.ts";

/** A step could not be started. The message says more than the system's own error. */
export class CannotStart extends Error {
	override name = "CannotStart";
	/** The code of the job's reason. */
	readonly code: ReasonCode;

	constructor(code: ReasonCode, message: string) {
		super(message);
		this.code = code;
	}

	/** Explains the system's error for a command that it cannot start. */
	static of(error: Error, command: string, env: Readonly<Record<string, string>>): CannotStart {
		const { code } = error as NodeJS.ErrnoException;
		if (code === "E2BIG") return tooLarge(sizeOf(env));
		if (code === "ENOENT") return new CannotStart("workspace_missing", WORKSPACE_MISSING);
		return new CannotStart("step_not_started", `${command} cannot be started: ${error.message}.`);
	}
}

export const WORKSPACE_MISSING =
	"The workspace no longer exists: an earlier step removed or moved it. Remove the files in it, not the folder itself.";

/** The limit of Linux: a quarter of the usual stack of 8 MiB, see ARG_MAX in execve(2). */
const MAX_ENVIRONMENT_BYTES = 2 * 1024 * 1024;
/** The folders that the system searches without a PATH. */
export const DEFAULT_PATH = "/usr/bin:/bin";

/**
 * Finds a shell on the PATH of a step.
 * @throws CannotStart
 */
export function findShell(name: string, env: Readonly<Record<string, string>>): string {
	const searched = env.PATH ?? DEFAULT_PATH;
	for (const folder of searched.split(path.delimiter)) {
		if (path.isAbsolute(folder) && isProgram(`${folder}/${name}`)) return path.join(folder, name);
	}
	throw shellMissing(name, `on the PATH of this step (${searched})`, env);
}

/** @param where the folders that were searched */
export function shellMissing(name: string, where: string, env: Readonly<Record<string, string>>): CannotStart {
	const hint = (env.PATH ?? "").includes("$")
		? `Variables are not expanded in env. Set PATH in the step itself, such as export PATH="/opt/bin:$PATH".`
		: `Install ${name}, or set another shell.`;
	return new CannotStart("shell_missing", `The shell ${name} was not found ${where}. ${hint}`);
}

function isProgram(file: string): boolean {
	try {
		if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return false;
		accessSync(file, constants.X_OK);
		return true;
	} catch {
		return false;
	}
}

/** @throws CannotStart for an environment that is too large to start a program with */
export function assertFits(env: Readonly<Record<string, string>>): void {
	for (const [name, value] of Object.entries(env)) {
		const error = variableSizeError(name, value);
		if (error !== null) throw new CannotStart("environment_too_large", `The variable ${name} ${error}.`);
	}
	const bytes = sizeOf(env);
	if (bytes > MAX_ENVIRONMENT_BYTES) throw tooLarge(bytes);
}

/** The bytes that execve(2) counts: a NUL and a pointer more for each variable. */
function sizeOf(env: Readonly<Record<string, string>>): number {
	return Object.entries(env).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value) + 10, 0);
}

function tooLarge(bytes: number): CannotStart {
	return new CannotStart(
		"environment_too_large",
		`The variables of this step have ${bytes} bytes; a program can have ${MAX_ENVIRONMENT_BYTES}. Write long values to files.`,
	);
}
