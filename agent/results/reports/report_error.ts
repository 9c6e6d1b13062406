/** An error in a report. The message of a parser would not help a user. */
export class ReportError extends Error {
	/** @param line the line of the report, where one is known */
	constructor(problem: string, line: number | null = null) {
		super(line === null ? problem : `line ${line}: ${problem}`);
	}
}
