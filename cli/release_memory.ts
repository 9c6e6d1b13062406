import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

type Collect = (options: { type: "major"; execution: "sync"; flavor: "last-resort" }) => void;

/**
 * Collects new objects after each megabyte: V8 would let them grow to 16 MB before it looks, and
 * keeps that memory.
 */
export function keepNewSpaceSmall(): void {
	setFlagsFromString("--semi-space-growth-factor=1");
}

/**
 * Returns free memory to the system. An idle process allocates too little to collect its garbage by
 * itself: assembling the configuration of workerd, for example, leaves 50 MB.
 */
export function releaseMemory(): void {
	setFlagsFromString("--expose-gc");
	const collect: Collect = runInNewContext("gc");
	setFlagsFromString("--no-expose-gc");
	collect({ type: "major", execution: "sync", flavor: "last-resort" });
}
