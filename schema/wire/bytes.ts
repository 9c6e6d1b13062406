const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"] as const;

/** A size in words: `512 bytes`, `1.5 MiB`, `64 MiB`. */
export function formatBytes(bytes: number): string {
	let value = bytes;
	let unit = 0;
	while (value >= 1024 && unit < UNITS.length - 1) {
		value /= 1024;
		unit += 1;
	}
	const digits = unit === 0 || value >= 100 || Number.isInteger(value) ? 0 : 1;
	return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

const FACTORS: Record<string, number> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** Bytes of a size such as `64MiB`, `1g` or `4096`; units are powers of 1024. Null if the text is not one. */
export function parseBytes(text: string): number | null {
	const [, amount, unit] = /^(\d{1,12})(?:([kmgt])(?:i?b)?)?$/i.exec(text.trim()) ?? [];
	if (amount === undefined) return null;
	const bytes = Number(amount) * (FACTORS[(unit ?? "").toLowerCase()] as number);
	return Number.isSafeInteger(bytes) ? bytes : null;
}

/** A size as `parseBytes` reads it, to the byte: `1536MiB`, `1000`. */
export function exactBytes(bytes: number): string {
	const units = ["T", "G", "M", "K"] as const;
	const unit = units.find((one) => bytes > 0 && bytes % (FACTORS[one.toLowerCase()] as number) === 0);
	return unit === undefined ? String(bytes) : `${bytes / (FACTORS[unit.toLowerCase()] as number)}${unit}iB`;
}

/** Joins bytes. */
export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
	const all = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
	let at = 0;
	for (const part of parts) {
		all.set(part, at);
		at += part.byteLength;
	}
	return all;
}
