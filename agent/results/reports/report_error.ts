/** An error in a report, in words of our own: a message of a parser says nothing to a user. */
export class ReportError extends Error {
	/** @param line the line of the report, where one is known */
	constructor(problem: string, line: number | null = null) {
		super(line === null ? problem : `line ${line}: ${problem}`);
	}
}
