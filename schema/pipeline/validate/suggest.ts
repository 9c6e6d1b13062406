/** Nobody mistypes more than this; and the comparison takes time by the square of it. */
const MAX_LENGTH = 64;

/** The known name nearest to what was written, if it is near enough to be meant; null otherwise. */
export function nearest(written: string, known: readonly string[]): string | null {
	if (written.length > MAX_LENGTH) return null;
	const limit = Math.max(1, Math.floor(written.length / 3));
	const wanted = written.toLowerCase();
	let best: string | null = null;
	let bestDistance = limit + 1;
	for (const name of known) {
		// Each character more or less is an edit of its own.
		if (name.length > MAX_LENGTH || Math.abs(name.length - wanted.length) >= bestDistance) continue;
		const distance = editDistance(wanted, name.toLowerCase(), bestDistance);
		if (distance < bestDistance) {
			best = name;
			bestDistance = distance;
		}
	}
	return best;
}

/** Edits (insert, delete, replace, swap of neighbours) that turn one word into the other; the bound, if they are as many or more. */
function editDistance(a: string, b: string, bound: number): number {
	let before: number[] = [];
	let above = Array.from({ length: b.length + 1 }, (_, column) => column);
	for (let i = 1; i <= a.length; i += 1) {
		const row = [i];
		let least = i;
		for (let j = 1; j <= b.length; j += 1) {
			const replace = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
			let cost = Math.min(replace, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
			if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
			row.push(cost);
			least = Math.min(least, cost);
		}
		// A swap reaches back two rows, so that one row alone says nothing.
		if (least >= bound && Math.min(...above) >= bound) return bound;
		before = above;
		above = row;
	}
	return above[b.length] ?? 0;
}
