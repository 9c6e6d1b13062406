import * as fc from "fast-check";
import { archive, archiveBytes } from "../values/archives.ts";
import { type ByteEdit, byteEdits, bytesOf, edited, joined } from "../values/bytes.ts";
import { hostileJson } from "../values/json.ts";
import { longText, submissionText, writtenOut } from "../values/pipelines.ts";
import { hostileText, printableText } from "../values/texts.ts";
import { type NetworkProperty, networkProperty } from "./network_property.ts";

/** What is posted to make a run: texts, and forms with a source in them. */

const contentTypes = fc.constantFrom(
	"",
	"application/json",
	"application/yaml",
	"text/plain; charset=latin1",
	"application/x-www-form-urlencoded",
);

/** Few, so that some come again with another text. */
const idempotencyKeys = fc.oneof(
	{ weight: 4, arbitrary: fc.constant(null) },
	fc.constantFrom("a", "b", "", "x".repeat(200), "x".repeat(201), "\u00e4\u00ff", "{seq}"),
	printableText,
);

const text = fc.oneof({ weight: 12, arbitrary: submissionText }, { weight: 1, arbitrary: longText(8_000).map(writtenOut) });

interface Part {
	headers: string[];
	body: Uint8Array;
}

const disposition = fc.oneof(
	{
		weight: 8,
		arbitrary: fc
			.constantFrom("pipeline", "run", "env", "source", "runs_on", "priority", "project")
			.map((name) => `form-data; name="${name}"`),
	},
	{
		weight: 5,
		arbitrary: fc.constantFrom(
			'form-data; name="source"; filename="s.tar.gz"',
			"form-data; name=source; filename*=UTF-8''s%2Etar",
			'form-data; name="source"; filename=""',
		),
	},
	{
		weight: 1,
		arbitrary: fc.constantFrom(
			"form-data",
			"attachment",
			'form-data; name="a"; name="b"',
			'form-data; name="unclosed',
			"form-data; filename*=UTF-8''%zz; name=source",
			"form-data; name*=x''y",
		),
	},
	{ weight: 1, arbitrary: printableText.map((name) => `form-data; name="${name}"`) },
);

const partHeaders = fc.tuple(
	disposition.map((value) => `Content-Disposition: ${value}`),
	fc.array(
		fc.oneof(
			fc.constantFrom(
				"Content-Type: application/json",
				"Content-Type",
				": x",
				"Content-Transfer-Encoding: base64",
				`X: ${"a".repeat(20_000)}`,
			),
			printableText,
		),
		{
			maxLength: 2,
		},
	),
);

const part: fc.Arbitrary<Part> = fc.record({
	headers: partHeaders.map(([first, others]) => [first, ...others]),
	body: fc.oneof(
		submissionText.map(bytesOf),
		hostileJson.map((value) => bytesOf(JSON.stringify(value) ?? "")),
		hostileText.map(bytesOf),
		archive.map(archiveBytes),
		fc.uint8Array({ maxLength: 100 }),
		fc.constant(bytesOf("steps: [make]")),
		fc.constant(bytesOf('--x\r\nContent-Disposition: form-data; name="run"\r\n\r\nmake\r\n--x--\r\n')),
	),
});

const boundaries = fc.constantFrom("x", "x", "x", "----WebKitFormBoundary7MA4YWxk", '"a b"', "a\u00e4", "'(),./:=?", "x".repeat(300), "");

const form = fc.record({
	boundary: boundaries,
	parts: fc.array(part, { maxLength: 4 }),
	times: fc.oneof({ weight: 20, arbitrary: fc.constant(1) }, fc.constant(30)),
	edits: fc.oneof({ weight: 3, arbitrary: fc.constant<ByteEdit[]>([]) }, { weight: 1, arbitrary: byteEdits(3, 1) }),
	typeTail: fc.constantFrom("", "; charset=utf-8", "; boundary=y", ";"),
	preamble: fc.constantFrom("", "", "", "preamble\r\n", "\r\n"),
	close: fc.constantFrom("--\r\n", "--\r\n", "--\r\n", "", "--\r\nepilogue"),
});

function formBytes({
	boundary,
	parts,
	times,
	edits,
	preamble,
	close,
}: typeof form extends fc.Arbitrary<infer Value> ? Value : never): Uint8Array {
	const line = `--${boundary.replaceAll('"', "")}`;
	const once = parts.flatMap(({ headers, body }) => [bytesOf(`${line}\r\n${headers.join("\r\n")}\r\n\r\n`), body, bytesOf("\r\n")]);
	const all = Array.from({ length: times }, () => once).flat();
	return edited(joined([bytesOf(preamble), ...all, bytesOf(line + close)]), edits);
}

export const submissionRequests: NetworkProperty[] = [
	networkProperty(
		"a text is taken as a submission or refused",
		{ weight: 6 },
		fc.tuple(text, contentTypes, idempotencyKeys),
		async (target, [body, contentType, key]) => {
			const headers: [string, string][] = [
				["Content-Type", contentType],
				...(key === null ? [] : [["Idempotency-Key", key] as [string, string]]),
			];
			await target.ask({ method: "POST", target: "/api/v1/runs", as: "admin", headers, body: bytesOf(body) });
		},
	),
	networkProperty("a form is taken as a submission or refused", { weight: 8 }, form, async (target, wanted) => {
		const type = `multipart/form-data; boundary=${wanted.boundary}${wanted.typeTail}`;
		await target.ask({ method: "POST", target: "/api/v1/runs", as: "admin", headers: [["Content-Type", type]], body: formBytes(wanted) });
	}),
	networkProperty("an archive is taken as a source or refused", { weight: 6 }, archive, async (target, wanted) => {
		await target.ask({ method: "PUT", target: "/api/v1/sources", as: "admin", headers: [], body: archiveBytes(wanted) });
	}),
];
