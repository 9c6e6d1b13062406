import createAppToken from "universal-github-app-jwt";
import { fromBase64, toBase64 } from "../platform/bytes.ts";

/** The private key of a GitHub App. It signs the tokens by which the App calls the API of GitHub. */

/** `-----BEGIN RSA PRIVATE KEY-----` is what GitHub offers for download; WebCrypto reads the other form only. */
const PEM = /-----BEGIN (RSA )?PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END \1?PRIVATE KEY-----/;
/** `INTEGER 0, SEQUENCE { OBJECT IDENTIFIER rsaEncryption, NULL }`, the head of PKCS #8 (RFC 5208, section 5). */
const RSA_HEAD = [0x02, 0x01, 0x00, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
const SEQUENCE = 0x30;
const OCTET_STRING = 0x04;

/**
 * The token of an App for the next minutes: a JWT, signed with RS256.
 * @param app the App ID or the client ID
 * @param privateKey PEM, in the form of PKCS #1 or PKCS #8
 * @returns null if the text is no private key of RSA
 */
export async function appToken(app: string, privateKey: string): Promise<string | null> {
	try {
		const key = pkcs8(privateKey);
		if (key === null) return null;
		return (await createAppToken({ id: app, privateKey: key })).token;
	} catch {
		return null;
	}
}

/** The key as PEM in the form of PKCS #8; null for any other text. */
function pkcs8(text: string): string | null {
	const [, isPkcs1, body = ""] = PEM.exec(text) ?? [];
	const base64 = body.replace(/\s/g, "");
	if (base64 === "") return null;
	return `-----BEGIN PRIVATE KEY-----\n${isPkcs1 ? wrapped(base64) : base64}\n-----END PRIVATE KEY-----`;
}

function wrapped(pkcs1: string): string {
	return toBase64(element(SEQUENCE, [...RSA_HEAD, ...element(OCTET_STRING, fromBase64(pkcs1))]));
}

/** An element of DER: its tag, the length of its content, and the content (X.690, section 8.1). */
function element(tag: number, content: Iterable<number>): Uint8Array {
	const bytes = [...content];
	const { length } = bytes;
	const lengths = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
	return Uint8Array.from([tag, ...lengths, ...bytes]);
}
