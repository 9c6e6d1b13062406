/**
 * The longest `NAME=value` of a program on Linux (MAX_ARG_STRLEN of execve(2)): 32 pages of 4 KiB,
 * with the NUL at the end.
 */
const MAX_VARIABLE_BYTES = 131_071;

/** Why a variable is too large for the environment of a program; null if it is not. */
export function variableSizeError(name: string, value: string): string | null {
	// A unit of length has at most three bytes in UTF-8: most values need no encoding to be
	// measured.
	if ((name.length + value.length) * 3 < MAX_VARIABLE_BYTES) return null;
	const bytes = new TextEncoder().encode(`${name}=${value}`).byteLength;
	if (bytes <= MAX_VARIABLE_BYTES) return null;
	return `has ${bytes} bytes with its name; no program can be started with more than ${MAX_VARIABLE_BYTES} in one variable. Put the value into a file`;
}
