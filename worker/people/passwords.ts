import { argon2id } from "@noble/hashes/argon2.js";
import * as z from "zod";
import { ApiError } from "../../schema/wire/errors.ts";
import { password } from "../../schema/wire/people.ts";
import { sleep } from "../platform/sleep.ts";

/**
 * Hashes of passwords. One takes the coordinator about 0.2 s, in which it does nothing else. So each
 * gets a moment of its own, and few may wait. The moments are numbers and not a line of promises: what
 * a request waits for ends with its request, and others would wait for ever.
 */

/** The least that OWASP's Password Storage Cheat Sheet recommends for Argon2id. */
const PARAMETERS = { m: 19_456, t: 2, p: 1 } as const;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const MOST_WAITING = 10;

const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** For a name that nobody has: its check takes as long as that of a wrong password. */
const NOBODYS = `$argon2id$v=19$m=${PARAMETERS.m},t=${PARAMETERS.t},p=${PARAMETERS.p}$${"A".repeat(22)}$${"A".repeat(43)}`;

/** From one hash to the next: they take at most half of the time, so that jobs go on however many passwords somebody tries. */
const APART_MS = 500;

/** When the next hash may be made, in milliseconds since 1970. */
let nextAt = 0;

/** A password that somebody chooses. */
export const chosenPassword = z.object({ password });

/** The hash of a password, in the format of PHC. @throws ApiError `unavailable` while many wait */
export async function hashPassword(password: string): Promise<string> {
	const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
	const hash = await inTurn(() => argon2(password, salt, PARAMETERS));
	const { m, t, p } = PARAMETERS;
	return `$argon2id$v=19$m=${m},t=${t},p=${p}$${base64(salt)}$${base64(hash)}`;
}

/**
 * Whether this is the password of a hash.
 * @param phc null: there is nobody, which takes as long to find out
 * @throws ApiError `unavailable` while many wait
 */
export async function isPassword(password: string, phc: string | null): Promise<boolean> {
	const [, m, t, p, salt = "", hash = ""] = PHC.exec(phc ?? NOBODYS) ?? [];
	const parameters = { m: Number(m), t: Number(t), p: Number(p) };
	const found = await inTurn(() => argon2(password, bytes(salt), parameters));
	const wanted = bytes(hash);
	return phc !== null && found.byteLength === wanted.byteLength && crypto.subtle.timingSafeEqual(found, wanted);
}

function argon2(password: string, salt: Uint8Array, parameters: { m: number; t: number; p: number }): Uint8Array {
	// What looks alike is the same password (RFC 8265, 4.2.2).
	return argon2id(password.normalize("NFC"), salt, { ...parameters, dkLen: HASH_BYTES });
}

async function inTurn(work: () => Uint8Array): Promise<Uint8Array> {
	const now = Date.now();
	const at = Math.max(now, nextAt);
	if (at - now >= MOST_WAITING * APART_MS) {
		throw new ApiError("unavailable", "Too many people sign in at this moment.", {
			headers: { "Retry-After": "5" },
			suggestions: ["Try again in some seconds."],
		});
	}
	nextAt = at + APART_MS;
	if (at > now) await sleep(at - now);
	return work();
}

function base64(from: Uint8Array): string {
	return btoa(String.fromCharCode(...from)).replace(/=+$/, "");
}

function bytes(text: string): Uint8Array {
	return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
