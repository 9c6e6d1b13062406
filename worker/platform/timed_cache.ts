import { LRUCache } from "lru-cache";

/**
 * A cache whose values are trusted for some time. The library would look at the clock once a
 * millisecond, with the help of a timer; in a Worker that timer ends with its request, and the clock
 * would stand still.
 * @param max how many values, the least recently used ones go first
 * @param ttl how long each is trusted, in milliseconds
 */
export function timedCache<Value extends NonNullable<unknown>>(max: number, ttl: number): LRUCache<string, Value> {
	return new LRUCache({ max, ttl, ttlResolution: 0 });
}
