/** Ends the program as one that was called wrongly. */
function wrongUse(program: string, sentence: string): never {
	console.error(`${program}: ${sentence}`);
	process.exit(2);
}

/** The result of `read`; what it throws is a mistake of whoever called the program. */
export function readOrEnd<Value>(program: string, read: () => Value): Value {
	try {
		return read();
	} catch (error) {
		return wrongUse(program, (error as Error).message);
	}
}

/** The number that an option was given; null if it was not given. */
export function wholeNumber(program: string, name: string, text: string | undefined): number | null {
	if (text === undefined) return null;
	return /^\d{1,9}$|^[1-4]\d{9}$/.test(text) ? Number(text) : wrongUse(program, `${name} is a whole number, not ${text}`);
}
