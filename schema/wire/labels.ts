import * as z from "zod";
import type { Capabilities } from "./requirements.ts";

/** Labels of agents, for which jobs ask by name. */

export const label = z
	.string()
	.regex(/^[A-Za-z0-9][A-Za-z0-9._:=/-]{0,62}$/, "expected a label like linux or gpu=a100, at most 63 characters");
export const labels = z.array(label).max(50);

/**
 * The systems and architectures that Node knows. An agent may declare these words as labels without
 * a registration token that gives them.
 */
const MACHINE_LABELS: ReadonlySet<string> = new Set([
	...["aix", "android", "cygwin", "darwin", "freebsd", "haiku", "linux", "netbsd", "openbsd", "sunos", "win32"],
	...["arm", "arm64", "ia32", "loong64", "mips", "mipsel", "ppc", "ppc64", "riscv64", "s390", "s390x", "x64"],
]);

/** The labels of an agent that count, and the declared labels that it was not given. */
export interface EffectiveLabels {
	labels: string[];
	ignored: string[];
}

/**
 * The labels that count. Labels of a registration token limit the labels that its agents may
 * declare. A token without labels does not limit them.
 */
export function effectiveLabels(given: readonly string[], declared: readonly string[], { os, arch }: Capabilities): EffectiveLabels {
	const all = [...new Set(declared)];
	if (given.length === 0) return { labels: all, ignored: [] };
	const isOfMachine = (one: string) => MACHINE_LABELS.has(one) && (one === os || one === arch);
	const isGiven = (one: string) => given.includes(one) || isOfMachine(one);
	return { labels: [...new Set([...given, ...all.filter(isGiven)])], ignored: all.filter((one) => !isGiven(one)) };
}
