const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Milliseconds of a duration such as `90s`, `5m`, `1h30m` or `250ms`; null if the text is not one.
 */
export function parseDuration(text: string): number | null {
	if (!/^(\d+(ms|s|m|h|d))+$/.test(text)) return null;
	let total = 0;
	for (const [, amount, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/g)) {
		total += Number(amount) * (UNITS[unit as string] as number);
	}
	return Number.isSafeInteger(total) ? total : null;
}

/** A duration as `parseDuration` reads it, such as `1h30m`. */
export function exactDuration(ms: number): string {
	let rest = ms;
	const parts = Object.entries(UNITS)
		.toReversed()
		.map(([unit, length]) => {
			const amount = Math.floor(rest / length);
			rest -= amount * length;
			return amount === 0 ? "" : `${amount}${unit}`;
		});
	return parts.join("") || "0s";
}

/** A duration in words of at most two units: `820ms`, `4.2s`, `3m 10s`, `2h 5m`, `3d 4h`. */
export function formatDuration(ms: number): string {
	if (ms < 1000) return `${Math.max(0, Math.round(ms))}ms`;
	if (ms < 10_000) return `${(ms / 1000).toFixed(1)}s`;
	const seconds = Math.round(ms / 1000);
	if (seconds < 60) return `${seconds}s`;
	const minutes = Math.floor(seconds / 60);
	if (minutes < 60) return seconds % 60 ? `${minutes}m ${seconds % 60}s` : `${minutes}m`;
	const hours = Math.floor(minutes / 60);
	if (hours < 24) return minutes % 60 ? `${hours}h ${minutes % 60}m` : `${hours}h`;
	return hours % 24 ? `${Math.floor(hours / 24)}d ${hours % 24}h` : `${Math.floor(hours / 24)}d`;
}
