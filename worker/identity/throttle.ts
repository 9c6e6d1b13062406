/**
 * Failed credentials, counted by the address that they come from and by what they claim to be. Each failure raises a level that
 * falls again with time. Above the first mark answers are slowed, above the second they are 429.
 *
 * Only answers to credentials that are wrong are held back: a credential that is too long to be guessed is always checked, so
 * that nobody can lock out the agents and people behind one proxy. The counts live in memory, in each isolate by itself.
 */

/** So many failures pass unslowed: people mistype, and a restarted agent may try an old token. */
const UNSLOWED = 10;
/** From here on the answer is 429. */
const BLOCKED = 25;
/** The level rises no further: a client that stops is heard again after at most (HIGHEST - BLOCKED) × FALL_MS. */
const HIGHEST = 55;
/** The level falls by one in this time. */
const FALL_MS = 10_000;
const SLOWED_MS = 50;
/** Addresses and tokens that are remembered; the longest silent one makes room. */
const MAX_COUNTED = 10_000;
/** While somebody goes on trying, one line in this time says so. */
const LOG_EVERY_MS = 10_000;

/** A credential of so many characters, chosen by chance, cannot be guessed. */
export const UNGUESSABLE_LENGTH = 32;

interface Count {
	level: number;
	/** When the level was that. */
	at: number;
	loggedAt: number;
	/** Failures since the last line of the log. */
	unlogged: number;
}

/** What becomes of the answer to a credential that is wrong. */
export interface Penalty {
	delayMs: number;
	/** Seconds after which another try is answered; null: it is answered now. */
	retryAfter: number | null;
	/** How many failures a line in the log is to stand for; null: none is to be written now. */
	logged: number | null;
}

const counts = new Map<string, Count>();

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

/** Seconds until a credential that could be guessed is checked again; null: it is checked now. */
export function blockedFor(key: string, now: number): number | null {
	const count = counts.get(key);
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
	// The last that failed is the last of the map: the first is the one that was silent longest.
	counts.delete(key);
	const [oldest] = counts.keys();
	if (counts.size >= MAX_COUNTED && oldest !== undefined) counts.delete(oldest);
	counts.set(key, count);
	return count;
}
