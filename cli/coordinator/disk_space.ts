import { statfs } from "node:fs/promises";
import { formatBytes, parseBytes } from "../../schema/wire/bytes.ts";

/** How much of a disk must stay free: a share of it in percent, or a number of bytes. */
export type FreeSpace = { percent: number } | { bytes: number };

/** `5%` or `10GiB`; null if the text is neither. */
export function parseFreeSpace(text: string): FreeSpace | null {
	const [, percent] = /^(\d{1,2}(?:\.\d+)?)%$/.exec(text.trim()) ?? [];
	if (percent !== undefined) return { percent: Number(percent) };
	const bytes = parseBytes(text);
	return bytes === null ? null : { bytes };
}

/** The error of a disk with too little free space; null while enough is free. */
export async function diskError(folder: string, least: FreeSpace): Promise<string | null> {
	const { bavail, blocks, bsize } = await statfs(folder);
	const free = bavail * bsize;
	const needed = "percent" in least ? (blocks * bsize * least.percent) / 100 : least.bytes;
	if (free >= needed) return null;
	const rule = "percent" in least ? `${least.percent} % (${formatBytes(Math.round(needed))})` : formatBytes(needed);
	return `The coordinator's disk is nearly full: ${formatBytes(free)} are free. The coordinator accepts nothing new until ${rule} are free.`;
}
