/** How many requests a caller may send. Agents, jobs and the host are not limited: they wait for answers. */

/**
 * `read` and `write` count for each token or person, the others for each address: `anonymous` what
 * needs no token, `sign-in` tries to sign in, `webhooks` deliveries.
 */
const RATE_CLASSES = ["read", "write", "anonymous", "sign-in", "webhooks"] as const;
export type RateClass = (typeof RATE_CLASSES)[number];

export interface RateLimit {
	/** How many requests at once, and in each window. */
	quota: number;
	windowMs: number;
}
/** Null: not limited. */
export type RateLimits = Record<RateClass, RateLimit | null>;

const WINDOWS_MS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000 };
const LIMIT = /^([1-9]\d{0,8})\/([smh])$/;

/** What one caller on a fast machine does not reach while it does something of use. */
export const DEFAULT_RATE_LIMITS: RateLimits = {
	read: { quota: 120_000, windowMs: 60_000 },
	write: { quota: 120_000, windowMs: 60_000 },
	anonymous: { quota: 60_000, windowMs: 60_000 },
	"sign-in": { quota: 300, windowMs: 60_000 },
	webhooks: { quota: 6_000, windowMs: 60_000 },
};

/** @param text such as `read=600/m,webhooks=off`; what is not named keeps its default */
export function parseRateLimits(text: string): { limits: RateLimits } | { error: string } {
	const limits = { ...DEFAULT_RATE_LIMITS };
	for (const part of text.split(",").filter((one) => one.trim() !== "")) {
		const [name = "", value = "", ...more] = part.trim().split("=");
		const limit = value === "off" ? null : limitIn(value);
		if (!isRateClass(name) || more.length > 0) return { error: `"${part.trim()}" names none of ${RATE_CLASSES.join(", ")}` };
		if (limit === undefined) return { error: `"${part.trim()}" is no limit; write for example ${name}=600/m, ${name}=20/s or ${name}=off` };
		limits[name] = limit;
	}
	return { limits };
}

function limitIn(text: string): RateLimit | undefined {
	const [, quota, unit = ""] = LIMIT.exec(text) ?? [];
	return quota === undefined ? undefined : { quota: Number(quota), windowMs: WINDOWS_MS[unit] ?? 0 };
}

function isRateClass(name: string): name is RateClass {
	return (RATE_CLASSES as readonly string[]).includes(name);
}
