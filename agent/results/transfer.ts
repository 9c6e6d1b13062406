import { Unreachable, untilAnswered } from "../transport/retry.ts";

/** Downloads that are tried again, but not for ever: what is damaged where it is kept comes damaged each time. */

const TRIES = { damaged: 3, "broken off": 5 } as const;

/** A download that began, and did not bring what was asked for. */
export class BadTransfer extends Unreachable {
	override name = "BadTransfer";
	readonly how: keyof typeof TRIES;

	constructor(how: keyof typeof TRIES, message: string) {
		super(message);
		this.how = how;
	}
}

/** A download that has failed for good; the message says what of, and how often it was tried. */
export class TransferFailed extends Error {
	override name = "TransferFailed";
}

/**
 * Downloads until all of it is there and right.
 * @param download throws BadTransfer for what came damaged, or broke off
 * @param onRetry called with the sentence for the log before each further try
 * @throws TransferFailed; ApiError as `untilAnswered` does
 */
export async function untilWhole(download: () => Promise<void>, signal: AbortSignal, onRetry: (text: string) => void): Promise<void> {
	const failures = { damaged: 0, "broken off": 0 };
	const once = async () => {
		try {
			await download();
		} catch (error) {
			if (!(error instanceof BadTransfer)) throw error;
			failures[error.how] += 1;
			const most = TRIES[error.how];
			if (failures[error.how] >= most) throw new TransferFailed(`${error.message} (tried ${most} times).`);
			throw error;
		}
	};
	await untilAnswered(once, signal, (error) => onRetry(`${error.message}; trying again`));
}
