import { LRUCache } from "lru-cache";
import type { RateLimit } from "../../schema/wire/rate_limits.ts";

/**
 * Token buckets: each begins full, a request takes one token, and tokens flow back evenly. In the
 * memory of an isolate: on Cloudflare each isolate counts for itself.
 */

/** How many callers are counted; the one that was silent longest begins anew. */
const MOST_BUCKETS = 10_000;

interface Bucket {
	tokens: number;
	/** The time of the tokens, in milliseconds since 1970. */
	at: number;
}

const buckets = new LRUCache<string, Bucket>({ max: MOST_BUCKETS });

/** What is left of a bucket after a request. */
export interface Taken {
	isAllowed: boolean;
	/** Whole tokens that are left. */
	left: number;
	/** Seconds until the bucket is full again, and until the next request is allowed. */
	fullIn: number;
	nextIn: number;
}

/** Takes a token from the bucket of a key. @param now milliseconds since 1970 */
export function takeToken(key: string, { quota, windowMs }: RateLimit, now: number): Taken {
	const bucket = buckets.get(key) ?? { tokens: quota, at: now };
	const perMs = quota / windowMs;
	const tokens = Math.min(quota, bucket.tokens + Math.max(0, now - bucket.at) * perMs);
	const isAllowed = tokens >= 1;
	const left = isAllowed ? tokens - 1 : tokens;
	buckets.set(key, Object.assign(bucket, { tokens: left, at: now }));
	return { isAllowed, left: Math.floor(left), fullIn: seconds((quota - left) / perMs), nextIn: seconds(Math.max(0, 1 - left) / perMs) };
}

function seconds(ms: number): number {
	return Math.ceil(ms / 1_000);
}
