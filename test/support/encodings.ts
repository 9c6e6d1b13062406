/**
 * Ways in which a program may show a secret, as Python: `s` is the secret as text, `b` as bytes. docs/explanation/security.md lists the same, by
 * these names.
 */

/** Nothing of a secret is shown in these. */
export const HIDDEN_ENCODINGS: Readonly<Record<string, string>> = {
	"as it is": "s",
	base64: "b64(b)",
	"base64 in the middle of a text": "b64(b'user:' + b + b'@host')",
	"base64 for URLs": "base64.urlsafe_b64encode(b).decode()",
	"base64 in lines of 76 characters": "base64.encodebytes(b).decode()",
	"base64 of base64": "b64(b64(b).encode())",
	"base64 of base64, each with the end of a line": "b64((b64(b + b'\\n') + '\\n').encode())",
	hex: "b.hex()",
	"hex in capitals": "b.hex().upper()",
	"hex in lines of 60 digits": "'\\n'.join(b.hex()[i:i+60] for i in range(0, len(b.hex()), 60))",
	"percent-encoding of URLs": "urllib.parse.quote(s, safe='')",
	"percent-encoding of forms": "urllib.parse.quote_plus(s)",
	"a string of JSON": "json.dumps(s, ensure_ascii=False)",
	"a string of JSON in ASCII (\\uXXXX)": "json.dumps(s)",
	"a string of JSON with < > & escaped": "json.dumps(s).replace('<', '\\\\u003c').replace('>', '\\\\u003e').replace('&', '\\\\u0026')",
	"HTML and XML": "html.escape(s)",
	"single quotes of a shell": "shlex.quote(s)",
	"double quotes of a shell": "re.sub(r'([\"$`\\\\])', r'\\\\\\1', s)",
	"backslashes of a shell": "re.sub(r'([^A-Za-z0-9_@%+=:,./\\n-])', r'\\\\\\1', s)",
};

/** Whoever reads these knows the secret: no list of encodings is complete. */
export const SHOWN_ENCODINGS: Readonly<Record<string, string>> = {
	base32: "base64.b32encode(b).decode()",
	reversed: "s[::-1]",
	"one character a line": "'\\n'.join(s)",
	"hex with blanks or colons between the bytes": "b.hex(':')",
	compressed: "b64(zlib.compress(b))",
	"encrypted or hashed": "hashlib.sha256(b).hexdigest()",
	"base64 three times": "b64(b64(b64(b).encode()).encode())",
};

/** A Python program that shows the secret of each variable in each encoding: `VARIABLE|name|BEGIN …  END`. */
export function encodingProgram(variables: readonly string[]): string {
	const encodings = Object.entries({ ...HIDDEN_ENCODINGS, ...SHOWN_ENCODINGS });
	return [
		"import base64, hashlib, html, json, os, re, shlex, urllib.parse, zlib",
		"b64 = lambda bytes: base64.b64encode(bytes).decode()",
		`for variable in ${JSON.stringify(variables)}:`,
		"  s = os.environ[variable]; b = s.encode()",
		...encodings.map(
			([name, expression]) => `  print(variable + '|' + ${JSON.stringify(name)} + '|BEGIN\\n' + (${expression}) + '\\nEND')`,
		),
	].join("\n");
}
