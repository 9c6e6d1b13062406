/** The lines of a log that are printed, however often the log was read. */
export class PrintedLines {
	/** How often each line of an attempt was printed, by the line's digest. */
	readonly times = new Map<number, number>();
	/** How many printed lines of each attempt another reading repeats. */
	readonly repeated = new Map<string, number>();
	/** The printed beginning of a line whose end has not come. */
	begun: Buffer[] = [];
	count = 0;

	/** @param attempt null for a line that another reading does not repeat */
	add(digest: number, attempt: string | null): void {
		this.times.set(digest, (this.times.get(digest) ?? 0) + 1);
		if (attempt !== null) this.repeated.set(attempt, (this.repeated.get(attempt) ?? 0) + 1);
		this.count += 1;
	}
}
