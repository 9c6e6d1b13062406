import { MAX_SAMPLES, type Usage } from "../../schema/wire/usage.ts";
import type { UsageReading } from "../processes/usage_meter.ts";

const INTERVAL_MS = 1_000;
/** An attempt with fewer samples says nothing. */
const LEAST_SAMPLES = 2;

/**
 * Samples what an attempt uses, from a second after its beginning, so that a short job costs nothing.
 * A long one has longer samples: two become one.
 */
export class UsageWatch {
	readonly #read: () => UsageReading | null;
	readonly #now: () => number;
	readonly #usage: Usage;
	#before: UsageReading = { cpuMs: 0, memory: 0, read: 0, written: 0 };
	#sampledAt = 0;
	#timer: NodeJS.Timeout | undefined;

	/**
	 * @param read what was used so far; null if that cannot be measured, which ends the samples
	 * @param now the clock of the log, in milliseconds since 1970
	 */
	constructor(read: () => UsageReading | null, now: () => number) {
		this.#read = read;
		this.#now = now;
		this.#usage = {
			...{ began_at: 0, interval_ms: INTERVAL_MS, cpu: [], memory: [], read: [], written: [], peak_memory: 0 },
		};
	}

	/** The steps begin: what came before them, such as a checkout, is not counted. */
	start(): void {
		this.#usage.began_at = Math.round(this.#now());
		this.#sampledAt = performance.now();
		this.#wait();
	}

	#wait(): void {
		this.#timer = setTimeout(() => this.#sample(), this.#usage.interval_ms).unref();
	}

	/** @returns the samples; null for a short attempt */
	stop(): Usage | null {
		clearTimeout(this.#timer);
		return this.#usage.cpu.length < LEAST_SAMPLES ? null : this.#usage;
	}

	#sample(): void {
		const reading = this.#read();
		if (!reading) return;
		const now = performance.now();
		const { cpu, memory, read, written } = this.#usage;
		const elapsedMs = Math.max(1, now - this.#sampledAt);
		cpu.push(Math.round((1000 * Math.max(0, reading.cpuMs - this.#before.cpuMs)) / elapsedMs));
		memory.push(Math.round(reading.memory));
		read.push(Math.max(0, reading.read - this.#before.read));
		written.push(Math.max(0, reading.written - this.#before.written));
		this.#usage.peak_memory = Math.max(this.#usage.peak_memory, Math.round(reading.memory));
		this.#before = reading;
		this.#sampledAt = now;
		if (cpu.length === MAX_SAMPLES) this.#halve();
		this.#wait();
	}

	/** Makes one sample of two. */
	#halve(): void {
		const usage = this.#usage;
		const pairs = (values: readonly number[], one: (a: number, b: number) => number) =>
			Array.from({ length: values.length / 2 }, (_, index) => one(values[2 * index] ?? 0, values[2 * index + 1] ?? 0));
		usage.cpu = pairs(usage.cpu, (a, b) => Math.round((a + b) / 2));
		usage.memory = pairs(usage.memory, Math.max);
		usage.read = pairs(usage.read, (a, b) => a + b);
		usage.written = pairs(usage.written, (a, b) => a + b);
		usage.interval_ms *= 2;
	}
}
