import leven from "leven";

/** Longer words are no typing errors, and the comparison takes time by the square of the length. */
const MAX_LENGTH = 64;

/**
 * The known word nearest to the written one; null if none is near enough to be meant. Case does not
 * count.
 */
export function nearest(written: string, known: readonly string[]): string | null {
	if (written.length > MAX_LENGTH) return null;
	const wanted = written.toLowerCase();
	let best: string | null = null;
	let bestDistance = Math.max(1, Math.floor(written.length / 3)) + 1;
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

/**
 * Edits that turn one word into the other; two letters in the wrong order are one edit. The bound,
 * if there are more.
 */
function editDistance(a: string, b: string, bound: number): number {
	const distance = leven(a, b, { maxDistance: bound + 1 });
	return distance === 2 && sortedLetters(a) === sortedLetters(b) ? 1 : distance;
}

function sortedLetters(word: string): string {
	return [...word].sort().join("");
}
