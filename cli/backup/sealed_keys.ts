import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from "node:crypto";
import * as z from "zod";
import { UsageError } from "../usage_error.ts";

/** The keys of a coordinator, encrypted with a passphrase: AES-256-GCM with a key of scrypt (RFC 7914). */

/** As OWASP's Password Storage Cheat Sheet recommends for scrypt: N = 2^17, r = 8, p = 1. */
const SCRYPT = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 ** 2 };

const sealed = z.object({
	kdf: z.literal("scrypt"),
	n: z.number(),
	r: z.number(),
	p: z.number(),
	salt: z.string(),
	iv: z.string(),
	tag: z.string(),
	text: z.string(),
});
const keys = z.object({
	master_key: z.string(),
	/** While secrets are still encrypted with it. */
	master_key_before: z.string().nullable().default(null),
});
export type Keys = z.infer<typeof keys>;

export function sealKeys(content: Keys, passphrase: string): Buffer {
	const [salt, iv] = [randomBytes(16), randomBytes(12)];
	const cipher = createCipheriv("aes-256-gcm", scryptSync(passphrase.normalize("NFC"), salt, 32, SCRYPT), iv);
	const text = Buffer.concat([cipher.update(JSON.stringify(content)), cipher.final()]);
	const { N: n, r, p } = SCRYPT;
	const parts = {
		salt: salt.toString("base64"),
		iv: iv.toString("base64"),
		tag: cipher.getAuthTag().toString("base64"),
		text: text.toString("base64"),
	};
	return Buffer.from(JSON.stringify({ kdf: "scrypt", n, r, p, ...parts } satisfies z.infer<typeof sealed>));
}

/** @throws UsageError for another passphrase */
export function openKeys(bytes: Buffer, passphrase: string): Keys {
	const { n, r, p, salt, iv, tag, text } = sealed.parse(JSON.parse(bytes.toString("utf8")));
	// A backup that somebody has changed must not take all memory.
	if (n > 2 ** 20 || r > 16 || p > 4) throw new UsageError("The keys of the backup are sealed in a way that this version does not open.");
	const key = scryptSync(passphrase.normalize("NFC"), Buffer.from(salt, "base64"), 32, { N: n, r, p, maxmem: 4 * 1024 ** 3 });
	const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(iv, "base64"));
	decipher.setAuthTag(Buffer.from(tag, "base64"));
	try {
		const opened = Buffer.concat([decipher.update(Buffer.from(text, "base64")), decipher.final()]);
		return keys.parse(JSON.parse(opened.toString("utf8")));
	} catch {
		throw new UsageError("The passphrase does not open the keys of the backup.");
	}
}
