import type { Annotation } from "../../../schema/wire/annotations.ts";
import type { Manifest } from "../../results/artifacts.ts";

/** What a job has left through its command, for its result. */
export class CommandResults {
	readonly annotations: Annotation[] = [];
	/** The files that were saved while it ran, by their paths. */
	readonly artifacts = new Map<string, Manifest[number]>();
}
