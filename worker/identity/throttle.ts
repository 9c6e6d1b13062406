import { LRUCache } from "lru-cache";

/**
 * Counts wrong credentials by address and by claimed identity. Each failure raises a level that
 * falls with time. Above the first threshold answers are delayed, above the second they are 429.
 *
 * Only answers to wrong credentials are delayed: a credential that is too long to guess is always
 * checked, so that nobody can lock out other clients behind the same proxy. Each isolate counts in
 * memory.
 */

/** So many failures are not delayed: people mistype, and a restarted agent may try an old token. */
const UNSLOWED = 10;
/** Above this level the answer is 429. */
const BLOCKED = 25;
/**
 * The highest level: a client that stops is unblocked after at most (HIGHEST - BLOCKED) × FALL_MS.
 */
const HIGHEST = 55;
/** The level falls by one in this time. */
const FALL_MS = 10_000;
const SLOWED_MS = 50;
/** The number of counted keys; the key with the oldest failure is evicted. */
const MAX_COUNTED = 10_000;
/** Repeated failures write one log line in this time. */
const LOG_EVERY_MS = 10_000;

/** A random credential of this length cannot be guessed. */
export const UNGUESSABLE_LENGTH = 32;

interface Count {
	level: number;
	/** The time of the level, in milliseconds since 1970. */
	at: number;
	loggedAt: number;
	/** Failures since the last log line. */
	unlogged: number;
}

/** How a wrong credential is answered and logged. */
export interface Penalty {
	delayMs: number;
	/** Seconds until the next try is checked; null: now. */
	retryAfter: number | null;
	/** The failures that the log line counts; null: no line. */
	logged: number | null;
}

const counts = new LRUCache<string, Count>({ max: MAX_COUNTED });

/** Counts a failure under each of these keys. @param now milliseconds since 1970 */
export function countFailure(keys: readonly string[], now: number): Penalty {
	const levels = keys.map((key) => raised(key, now));
	const highest = Math.max(...levels.map(({ level }) => level));
	const [byAddress] = levels as [Count];
	const isBlockedNow = byAddress.level > BLOCKED && byAddress.level <= BLOCKED + 1;
	const isLogged = byAddress.level <= UNSLOWED || isBlockedNow || now - byAddress.loggedAt >= LOG_EVERY_MS;
	const logged = isLogged ? byAddress.unlogged : null;
	if (isLogged) Object.assign(byAddress, { loggedAt: now, unlogged: 0 });
	return {
		delayMs: highest > BLOCKED ? 0 : Math.max(0, highest - UNSLOWED) * SLOWED_MS,
		retryAfter: retryAfterOf(highest),
		logged,
	};
}

/** Seconds until a guessable credential of this key is checked again; null: now. */
export function blockedFor(key: string, now: number): number | null {
	const count = counts.peek(key);
	return count === undefined ? null : retryAfterOf(levelOf(count, now));
}

function retryAfterOf(level: number): number | null {
	return level > BLOCKED ? Math.ceil(((level - BLOCKED) * FALL_MS) / 1000) : null;
}

function levelOf({ level, at }: Count, now: number): number {
	return Math.max(0, level - Math.max(0, now - at) / FALL_MS);
}

function raised(key: string, now: number): Count {
	const known = counts.get(key) ?? { level: 0, at: now, loggedAt: 0, unlogged: 0 };
	const count = { ...known, level: Math.min(HIGHEST, levelOf(known, now) + 1), at: now, unlogged: known.unlogged + 1 };
	counts.set(key, count);
	return count;
}
