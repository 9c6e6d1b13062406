import { STEP_MARKER } from "../step_executor.ts";

/**
 * Ends the processes in a container that have a variable: SIGTERM, a wait, SIGKILL. The agent sees
 * the processes of a container only as long as Docker runs on its machine, so a shell in the
 * container looks for them. Its arguments are a pattern for the variable, and tenths of a second.
 */
const END = `left() {
	for d in /proc/[0-9]*; do
		[ "$d" = /proc/1 ] || { tr '\\0' '\\n' < "$d/environ" | grep -q "$1" && echo "\${d#/proc/}"; }
	done 2>/dev/null
}
kill -TERM $(left "$1") 2>/dev/null
n=$2
while [ "$n" -gt 0 ]; do
	[ -n "$(left "$1")" ] || exit 0
	sleep 0.1
	n=$((n - 1))
done
kill -KILL $(left "$1") 2>/dev/null
exit 0`;

/** The command in a container that ends its steps. @param number the position of the one step to end; null: all */
export function endStepsCommand(number: number | null, graceMs: number): string[] {
	const pattern = number === null ? `^${STEP_MARKER}=` : `^${STEP_MARKER}=${number}$`;
	return ["sh", "-c", END, "sh", pattern, String(Math.ceil(graceMs / 100))];
}
