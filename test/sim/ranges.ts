/** Whole numbers as people write them: `3,7-9`. */
export function rangesText(numbers: readonly number[]): string {
	const ranges: [number, number][] = [];
	for (const number of [...numbers].sort((a, b) => a - b)) {
		const last = ranges.at(-1);
		if (last && last[1] === number - 1) last[1] = number;
		else ranges.push([number, number]);
	}
	return ranges.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join();
}

/** @throws Error naming what is no range */
export function parseRanges(text: string): number[] {
	return text.split(",").flatMap((range) => {
		const [, from, to = from] = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(range) ?? [];
		if (from === undefined) throw new Error(`${JSON.stringify(range)} is no range; write 3,7-9`);
		return Array.from({ length: Number(to) - Number(from) + 1 }, (_, index) => Number(from) + index);
	});
}
