import { createHash } from "node:crypto";
import { Random } from "./random.ts";

/**
 * The world of one simulation: its time, its randomness, and all that is still to happen. Exactly one thing happens at a time; what it
 * sets off without waiting for anything is a part of it. So a crash can come between any two steps, and never within one.
 */

/** Something with a memory of its own that can be frozen, and that can die: a process, a Durable Object, a call. */
export class Life {
	readonly name: string;
	readonly #parent: Life | null;
	#isDead = false;
	#isFrozen = false;
	/** How often it was frozen. */
	freezes = 0;

	constructor(name: string, parent: Life | null = null) {
		this.name = name;
		this.#parent = parent;
	}

	get isDead(): boolean {
		return this.#isDead || (this.#parent?.isDead ?? false);
	}

	get isFrozen(): boolean {
		return this.#isFrozen || (this.#parent?.isFrozen ?? false);
	}

	/** Nothing of what it has begun goes on. */
	end(): void {
		this.#isDead = true;
	}

	/** Nothing of it goes on until it is thawed: it finds its timers late and its letters waiting. */
	freeze(isFrozen: boolean): void {
		this.#isFrozen = isFrozen;
		if (isFrozen) this.freezes += 1;
	}
}

interface Happening {
	at: number;
	/** What happens at the same instant happens in the order in which it was planned. */
	order: number;
	life: Life;
	what: string;
	run: () => void | Promise<void>;
	isCancelled: boolean;
}

/** A promise that was broken. */
export class Violation extends Error {
	override name = "Violation";
	/** The short name of the broken promise. */
	readonly kind: string;

	constructor(kind: string, what: string) {
		super(`${kind}: ${what}`);
		this.kind = kind;
	}
}

/** How many of the last events a failure shows. */
const TOLD_EVENTS = 60;
const BEGINNING = Date.UTC(2030, 0, 1);
const nextTurn = setImmediate;

export class World {
	readonly random: Random;
	/** Milliseconds since the world began; goes on whatever any clock says. */
	now = 0;
	steps = 0;
	/** How far the coordinator's wall clock is off. */
	wallOffset = 0;
	/** Whose doing the present step is. */
	life: Life;
	/** How often each kind of fault has struck. */
	readonly faults = new Map<string, number>();
	/** Called after each step. */
	check: () => void = () => undefined;
	readonly isVerbose: boolean;
	readonly #nature = new Life("nature");
	readonly #digest = createHash("sha256");
	readonly #recent: string[] = [];
	#heap: Happening[] = [];
	#planned = 0;
	/** What was thrown where nobody could catch it. */
	#error: unknown = null;

	constructor(seed: number, isVerbose = false) {
		this.random = new Random(seed);
		this.isVerbose = isVerbose;
		this.life = this.#nature;
	}

	/** The coordinator's wall clock. */
	get wallClock(): number {
		return BEGINNING + Math.floor(this.now) + this.wallOffset;
	}

	/** Plans something to happen after `delay` ms, as the doing of whoever acts now. */
	after(delay: number, what: string, run: () => void | Promise<void>, life: Life = this.life): Happening {
		this.#planned += 1;
		const happening = { at: this.now + Math.max(0, delay), order: this.#planned, life, what, run, isCancelled: false };
		push(this.#heap, happening);
		return happening;
	}

	/** Plans something that no process does and none can hold up. */
	naturally(delay: number, what: string, run: () => void | Promise<void>): Happening {
		return this.after(delay, what, run, this.#nature);
	}

	/** Does something now, as the doing of `life`. */
	async act(life: Life, what: string, run: () => void | Promise<void>): Promise<void> {
		this.steps += 1;
		this.note(what);
		const before = this.life;
		this.life = life;
		try {
			const result = run();
			if (result instanceof Promise) result.catch((error) => this.blame(error));
			// Every promise that can go on goes on now; none waits for anything but the world.
			await new Promise((resolve) => nextTurn(resolve));
		} finally {
			this.life = before;
		}
		if (this.#error !== null) throw this.#error;
		this.check();
	}

	/** Does the next thing that is planned. @returns false if there is nothing left to happen */
	async step(): Promise<boolean> {
		for (let next = pop(this.#heap); next; next = pop(this.#heap)) {
			if (next.isCancelled || next.life.isDead) continue;
			this.now = Math.max(this.now, next.at);
			if (next.life.isFrozen) {
				push(this.#heap, { ...next, at: this.now + FROZEN_LOOK_MS });
				continue;
			}
			await this.act(next.life, next.what, next.run);
			return true;
		}
		return false;
	}

	note(what: string): void {
		const line = `${(this.now / 1000).toFixed(3)} ${what}`;
		this.#digest.update(line);
		this.#recent.push(line);
		if (this.#recent.length > TOLD_EVENTS) this.#recent.shift();
		if (this.isVerbose) console.log(line);
	}

	/** Counts a fault of this kind. */
	strike(kind: string): void {
		this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
	}

	/** Something failed where nobody waits for it. */
	blame(error: unknown): void {
		this.#error ??= error;
	}

	/** The last events, oldest first. */
	get recent(): readonly string[] {
		return this.#recent;
	}

	/** What names this very course of events. */
	hash(): string {
		return this.#digest.copy().digest("hex").slice(0, 16);
	}
}

const FROZEN_LOOK_MS = 500;

function isBefore(a: Happening, b: Happening): boolean {
	return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function push(heap: Happening[], happening: Happening): void {
	let at = heap.length;
	heap.push(happening);
	while (at > 0) {
		const parent = (at - 1) >> 1;
		if (!isBefore(happening, heap[parent] as Happening)) break;
		heap[at] = heap[parent] as Happening;
		at = parent;
	}
	heap[at] = happening;
}

function pop(heap: Happening[]): Happening | undefined {
	const first = heap[0];
	const last = heap.pop();
	if (!first || !last || heap.length === 0) return first;
	let at = 0;
	for (;;) {
		let child = at * 2 + 1;
		if (child >= heap.length) break;
		if (child + 1 < heap.length && isBefore(heap[child + 1] as Happening, heap[child] as Happening)) child += 1;
		if (!isBefore(heap[child] as Happening, last)) break;
		heap[at] = heap[child] as Happening;
		at = child;
	}
	heap[at] = last;
	return first;
}
