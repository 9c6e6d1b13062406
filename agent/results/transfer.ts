import { Unreachable, untilAnswered } from "../transport/retry.ts";

/** A file that is damaged in the storage is damaged in every download, so the tries are limited. */
const TRIES = { damaged: 3, interrupted: 5 } as const;

/** A download brought other bytes than it should. A retry may succeed. */
export class BadTransfer extends Unreachable {
	override name = "BadTransfer";
	readonly how: keyof typeof TRIES;

	constructor(how: keyof typeof TRIES, message: string) {
		super(message);
		this.how = how;
	}
}

/** A download failed after the last try. The message says how often it was tried. */
export class TransferFailed extends Error {
	override name = "TransferFailed";
}

/**
 * Downloads until the file is complete and undamaged.
 * @param download throws BadTransfer for a damaged file, and for an interrupted download
 * @param onRetry called before each further try, with the text for the log
 * @throws TransferFailed; ApiError as `untilAnswered` does
 */
export async function untilWhole(download: () => Promise<void>, signal: AbortSignal, onRetry: (text: string) => void): Promise<void> {
	const failures = { damaged: 0, interrupted: 0 };
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
