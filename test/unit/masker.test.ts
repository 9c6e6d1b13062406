import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MASK, Masker } from "../../agent/log/masker.ts";
import { MIN_SECRET_BYTES, secretRequest } from "../../schema/wire/secrets.ts";

/** What is shown of a text that comes in pieces of these lengths, again and again. */
function streamed(masker: Masker, text: string, lengths: readonly number[]): string {
	const bytes = Buffer.from(text);
	const shown: Uint8Array[] = [];
	for (let at = 0, turn = 0; at < bytes.byteLength; turn += 1) {
		const length = lengths[turn % lengths.length] ?? 1;
		shown.push(masker.push(bytes.subarray(at, at + length)));
		at += length;
	}
	shown.push(masker.flush());
	return Buffer.concat(shown).toString();
}

test("a secret that is added later is hidden from then on, in the streams that there are, too", () => {
	const masker = new Masker(["a-secret-of-before"]);
	const branch = masker.branch();
	expect(streamed(branch, "made-by-the-job a-secret-of-before\n", [3])).toBe(`made-by-the-job ${MASK}\n`);
	masker.add("made-by-the-job");
	masker.add("made-by-the-job");
	const base64 = Buffer.from("made-by-the-job").toString("base64");
	expect(streamed(branch, `made-by-the-job ${base64} a-secret-of-before\n`, [3])).toBe(`${MASK} ${MASK} ${MASK}\n`);
	expect(masker.text("made-by-the-job")).toBe(MASK);
});

describe("a secret", () => {
	const secret = "p4ss:w/rd+of \"mine\" & 'yours' ü";
	const masker = new Masker([secret]);

	test.each<[string, string]>([
		["as it is", secret],
		["in a URL", encodeURIComponent(secret)],
		["in a URL, strictly", encodeURIComponent(secret).replaceAll("'", "%27")],
		["in a URL, with slashes and small digits", encodeURIComponent(secret).replaceAll("'", "%27").replaceAll("%2F", "/").toLowerCase()],
		["in a form", new URLSearchParams([["a", secret]]).toString().slice(2)],
		["in JSON", JSON.stringify(secret).slice(1, -1)],
		["in single quotes of a shell", secret.replaceAll("'", "'\\''")],
		["in double quotes of a shell", secret.replaceAll('"', '\\"')],
		...[0, 1, 2].flatMap((before) =>
			[0, 1, 2].map((after) => {
				const bytes = Buffer.from("a".repeat(before) + secret + "b".repeat(after));
				return [`in base64, ${before} before and ${after} after it`, bytes.toString("base64")] as [string, string];
			}),
		),
		["in base64 for URLs", Buffer.from(secret).toString("base64url")],
	])("is hidden %s", (_, form) => {
		const shown = streamed(masker, `before ${form} after\n`, [1]);
		expect(shown).toContain(MASK);
		// Of base64 a few bits at the edges are somebody else's, too.
		expect(shown.length).toBeLessThanOrEqual(`before ${MASK}12345678 after\n`.length);
		expect(shown).toMatch(/^before .*after\n$/);
	});

	test("of several lines is hidden whole, and line by line", () => {
		const key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\nab\n-----END KEY-----\n";
		const lines = new Masker([key]);
		expect(lines.text(`x ${key} y`)).toBe(`x ${MASK} y`);
		expect(lines.text("first MIIEvQIBADANBg, then kqhkiG9w0BAQEF, then ab")).toBe(`first ${MASK}, then ${MASK}, then ab`);
		expect(lines.text(key.replaceAll("\n", "\r\n"))).not.toMatch(/MII|kqh/);
	});

	test.each([76, 64])("that is long is hidden in base64 of lines of %s", (width) => {
		const token = Array.from({ length: 40 }, (_, index) => `part${index}`).join(".");
		for (const text of [token, `${token}\n`]) {
			const wrapped = Buffer.from(text)
				.toString("base64")
				.replace(new RegExp(`.{${width}}`, "g"), "$&\n");
			expect(new Masker([token]).text(wrapped).replaceAll("***", "").replaceAll("\n", "").length).toBeLessThan(6);
		}
	});

	test("that overlaps with another is hidden with it as one; one inside a longer one, too", () => {
		const both = new Masker(["abcdefgh", "fghijklm", "defghi"]);
		expect(both.text("<abcdefghijklm>")).toBe(`<${MASK}>`);
		expect(both.text("<abcdef fghijk defghi>")).toBe(`<abcdef fghijk ${MASK}>`);
		expect(streamed(both, "<abcdefghijklm> defghi", [3])).toBe(`<${MASK}> ${MASK}`);
	});

	test("that has only begun is held back, and shown when it goes on otherwise or ends", () => {
		const one = new Masker(["hunter22"]);
		expect(Buffer.from(one.push(Buffer.from("ok hunt"))).toString()).toBe("ok ");
		expect(Buffer.from(one.push(Buffer.from("ing hunter2"))).toString()).toBe("hunting ");
		expect(Buffer.from(one.flush()).toString()).toBe(MASK);
		expect(Buffer.from(one.push(Buffer.from("2 hunt"))).toString()).toBe("2 ");
		expect(Buffer.from(one.flush()).toString()).toBe("hunt");
	});
});

test("a secret is found in a text; one that has only begun is not", () => {
	const one = new Masker(["hunter22"]);
	expect(["a/hunter22/b", "hunter22", "aHVudGVyMjI=", "hunter2", "a/hunter", ""].map((text) => one.finds(text))).toEqual([
		true,
		true,
		true,
		false,
		false,
		false,
	]);
	expect(new Masker([]).finds("hunter22")).toBe(false);
});

test.each([
	["12345", false],
	["12345\n", false],
	["Pa5s     ", false],
	["   \n\n   ", false],
	["üüü", true],
	["123456\n", true],
	["ab\ncd\nef", true],
])("a value is taken if, and only if, it is hidden where it stands without the blanks around it: %j", (value, isTaken) => {
	expect(secretRequest.safeParse({ value }).success).toBe(isTaken);
	expect(new Masker([value]).text(`<${value.trim()}>`)).toBe(isTaken ? `<${MASK}>` : `<${value.trim()}>`);
});

test("without secrets nothing is touched", () => {
	const bytes = Buffer.from([0xff, 0xfe, 0, 1]);
	expect(new Masker([]).push(bytes)).toBe(bytes);
});

test("however the output is split into chunks, no secret is shown and nothing else is lost", () => {
	const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: MIN_SECRET_BYTES, maxLength: 10 });
	const text = fc.array(fc.oneof(word, fc.string({ unit: fc.constantFrom("a", "b", "c", "\n"), maxLength: 6 })), { maxLength: 12 });
	fc.assert(
		fc.property(
			fc.array(word, { minLength: 1, maxLength: 3 }),
			text,
			fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
			(secrets, parts, lengths) => {
				const whole = parts.join("");
				const shown = streamed(new Masker(secrets), whole, lengths);
				for (const secret of secrets) expect(shown).not.toContain(secret);
				expect(shown).toBe(hidden(secrets, whole));
			},
		),
		{ seed: 20_260_101, numRuns: 2_000 },
	);
});

/** The same, naively: every place at which a secret stands, or has begun when the text ends, is marked, and each stretch of marks is hidden. */
function hidden(secrets: readonly string[], text: string): string {
	const marks = Array.from(text, () => 0);
	let stretch = 0;
	for (let at = 0; at < text.length; at += 1) {
		const rest = text.slice(at);
		const isEnd = (secret: string) => rest.length >= MIN_SECRET_BYTES && secret.startsWith(rest);
		const longest = Math.max(0, ...secrets.map((secret) => (rest.startsWith(secret) ? secret.length : isEnd(secret) ? rest.length : 0)));
		if (longest === 0) continue;
		if (!marks[at]) stretch += 1;
		for (let marked = at; marked < at + longest; marked += 1) marks[marked] ||= stretch;
	}
	return [...text].map((char, at) => (marks[at] ? (marks[at] === marks[at - 1] ? "" : MASK) : char)).join("");
}

describe("a secret that is JSON", () => {
	test("hides its strings in texts; the name of a file is compared with the whole secret only", () => {
		const account = JSON.stringify({ project_id: "acme-web-prod", private_key: "line-of-the-key" });
		const one = new Masker([account]);
		expect(one.text("dist/acme-web-prod.tar.gz, line-of-the-key")).toBe(`dist/${MASK}.tar.gz, ${MASK}`);
		expect(["dist/acme-web-prod.tar.gz", `dist/${account}`].map((text) => one.finds(text))).toEqual([false, true]);
	});

	test("breaks nothing, however odd it is", () => {
		for (const odd of ['{"a":"\\ud800abcdefgh"}', "[".repeat(20_000) + "]".repeat(20_000), '{"a":1}', "[[[[[[]]]]]]", '"a string only"'])
			expect(new Masker([odd]).text(`<${odd}>`)).toBe(`<${MASK}>`);
	});
});
