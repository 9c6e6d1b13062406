import * as fc from "fast-check";

/** What breaks things that were written with friendly texts in mind. */
const HOSTILE_TEXTS = [
	"",
	" ",
	"\0",
	"a\0b",
	"\ufeff",
	"\ud800",
	"a\udfffb",
	"\u2028",
	"e\u0301",
	"\u202Etxt.exe",
	"💥".repeat(40),
	"__proto__",
	"constructor",
	"toString",
	"hasOwnProperty",
	"../../etc/passwd",
	"/etc/passwd",
	"C:\\windows",
	"a/../../b",
	"' OR 1=1 --",
	'"; DROP TABLE runs; --',
	"<script>alert(1)</script>",
	"${{ secrets.X }}",
	"$(touch /tmp/owned)",
	"%00",
	"%2e%2e%2f",
	"\r\nX-Injected: 1",
	"NaN",
	"-0",
	"1e309",
	"0x10",
	"9007199254740993",
	"null",
	"true",
	"yes",
	"1970-01-01T00:00:00.000Z",
	"a".repeat(300),
	"a".repeat(5000),
];

/** A text that nobody expects. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
	fc.constantFrom(...HOSTILE_TEXTS),
	fc.string({ unit: "binary", maxLength: 40 }),
	fc.string({ unit: "grapheme", maxLength: 40 }),
	fc.string({ maxLength: 60 }),
);

/** A text that can stand in a header or an address as it is. */
export const printableText: fc.Arbitrary<string> = fc.oneof(
	fc.string({ maxLength: 60 }),
	fc.constantFrom(...HOSTILE_TEXTS).map((text) => text.replace(/[^ -~]/g, "?")),
);
