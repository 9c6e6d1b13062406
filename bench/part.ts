import type { Row } from "./table.ts";

/** A part of the bench: what it measures belongs together, on coordinators of its own. */
export interface Part {
	title: string;
	/** @param folder an empty one, which goes when the part is over */
	measure(folder: string): Promise<{ rows: Row[]; memory: Row[] }>;
}
