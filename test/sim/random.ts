/** Randomness that is the same for the same seed (mulberry32). */
export class Random {
	#state: number;

	constructor(seed: number) {
		this.#state = seed >>> 0;
	}

	/** A stream of its own, so that what is drawn here does not move what is drawn there. */
	fork(): Random {
		return new Random(this.below(2 ** 32));
	}

	/** From 0 up to, but without, 1. */
	unit(): number {
		this.#state = (this.#state + 0x6d2b79f5) >>> 0;
		let mixed = this.#state;
		mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	}

	/** A whole number from 0 up to, but without, `limit`. */
	below(limit: number): number {
		return Math.floor(this.unit() * limit);
	}

	/** A whole number from `least` to `most`. */
	between(least: number, most: number): number {
		return least + this.below(most - least + 1);
	}

	chance(probability: number): boolean {
		return this.unit() < probability;
	}

	pick<Value>(values: readonly Value[]): Value {
		return values[this.below(values.length)] as Value;
	}
}
