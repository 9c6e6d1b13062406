import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

type Collect = (options: { type: "major"; execution: "sync"; flavor: "last-resort" }) => void;

/**
 * Returns free memory to the system: assembling the configuration of workerd takes 50 MB that an
 * idle process would keep, because it allocates too little to collect garbage.
 */
export function releaseMemory(): void {
	setFlagsFromString("--expose-gc");
	const collect: Collect = runInNewContext("gc");
	setFlagsFromString("--no-expose-gc");
	collect({ type: "major", execution: "sync", flavor: "last-resort" });
}
