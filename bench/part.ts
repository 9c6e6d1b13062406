import type { Row } from "./table.ts";

/** A part of the bench, measured on coordinators of its own. */
export interface Part {
	title: string;
	/** @param folder an empty folder, deleted after the part */
	measure(folder: string): Promise<{ rows: Row[]; memory: Row[] }>;
}
