/** What is wrong in a report, in our words: never those of a parser. */
export class ReportError extends Error {
	/** @param line the line of the report, where one is known */
	constructor(problem: string, line: number | null = null) {
		super(line === null ? problem : `line ${line}: ${problem}`);
	}
}
