/**
 * The end of a text that grows line by line: it is shortened only now and then, so that many lines
 * stay cheap.
 */
export class RecentText {
	static readonly #KEPT = 64 * 1024;
	#text = "";

	add(text: string): void {
		this.#text += text;
		if (this.#text.length > 4 * RecentText.#KEPT) this.#text = lastLines(this.#text, RecentText.#KEPT);
	}

	get text(): string {
		return lastLines(this.#text, RecentText.#KEPT);
	}
}

/** The end of a text, of whole lines. */
function lastLines(text: string, limit: number): string {
	if (text.length <= limit) return text;
	return text.slice(text.indexOf("\n", text.length - limit) + 1).slice(-limit);
}
