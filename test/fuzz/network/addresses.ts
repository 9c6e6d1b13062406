import * as fc from "fast-check";
import { bytesOf } from "../values/bytes.ts";
import { hostileText, printableText } from "../values/texts.ts";
import { type NetworkProperty, networkProperty } from "./network_property.ts";
import { DECLARED_ROUTES } from "./routes.ts";
import type { Caller } from "./target.ts";

/** Every address there is and many that are not, with parameters and headers of all kinds. */

/** Every route that is declared, and a few that nearly are. */
const PATTERNS = [
	...new Set(DECLARED_ROUTES.map(({ path }) => path.replaceAll(/:\w+\+?/g, ":id"))),
	"/api/v1/jobs/:id/artifacts/dist/a.txt",
	"/api/v1/:id",
	"/api/v2/runs",
	"/:id",
];

const id = fc.oneof(
	{ weight: 4, arbitrary: fc.constantFrom("{old_run}", "{old_job}", "{run}", "{job}", "{attempt}", "{old_attempt}") },
	fc.constantFrom("run_01ARZ3NDEKTSV4RRFFQ69G5FAV", "job_01ARZ3NDEKTSV4RRFFQ69G5FAV", "style.css", "page.browser.js", "__proto__", "."),
	fc.constantFrom(
		"%",
		"%zz",
		"%00",
		"%2e%2e",
		"%2f%2e%2e%2f",
		"%ff%fe",
		"%u0041",
		"a%0d%0ab",
		"{old_job}%00",
		"{old_job}%2f",
		"\\..\\",
		";",
		"{old_job};x=1",
	),
	hostileText.map((text) => encodeURIComponent(text.toWellFormed())),
);

const address = fc
	.tuple(
		fc.constantFrom(...PATTERNS),
		fc.array(id, { minLength: 2, maxLength: 2 }),
		fc.constantFrom("", "", "", "/", "//", "/x", "?", "#x"),
	)
	.map(([pattern, [first = "", second = ""], tail]) => pattern.replace(":id", first).replace(":id", second) + tail);

const number = fc.constantFrom(
	"0",
	"1",
	"2",
	"-1",
	"-100",
	"1000",
	"1001",
	"007",
	"1e3",
	"0x1",
	"9007199254740991",
	"9007199254740993",
	"999999999999999",
	`${"9".repeat(30)}`,
	"1.5",
	"",
	"%201",
	"1_000",
);
const parameter = fc.tuple(
	fc.oneof(
		{
			weight: 9,
			arbitrary: fc.constantFrom(
				"limit",
				"cursor",
				"state",
				"project",
				"run",
				"attempt",
				"format",
				"follow",
				"from",
				"count",
				"q",
				"offset",
				"number",
				"code",
			),
		},
		hostileText.map((text) => encodeURIComponent(text.toWellFormed())),
	),
	fc.oneof(
		{ weight: 4, arbitrary: number },
		fc.constantFrom(
			"queued",
			"succeeded",
			"raw",
			"clean",
			"text",
			"true",
			"{old_run}",
			"{run}",
			"web",
			"%00",
			"%zz",
			"%ff",
			"%f0%9f%92%a5",
			"a&b",
			"=",
		),
		hostileText.map((text) => encodeURIComponent(text.toWellFormed())),
	),
);
const query = fc
	.tuple(fc.array(parameter, { maxLength: 3 }), fc.constantFrom("timeout=0", ""))
	.map(([parameters, timeout]) =>
		[...parameters.map(([name, value]) => `${name}=${value}`), timeout].filter((text) => text !== "").join("&"),
	);

const header: fc.Arbitrary<[string, string]> = fc.oneof(
	fc.tuple(
		fc.constant("Range"),
		fc.oneof(
			number.map((text) => `bytes=${text}-`),
			fc.tuple(number, number).map(([a, b]) => `bytes=${a}-${b}`),
			number.map((text) => `bytes=-${text}`),
			fc.constantFrom("bytes=0-0,2-3", "bytes", "x=1-2"),
		),
	),
	fc.tuple(
		fc.constant("Last-Event-ID"),
		fc.oneof(
			number,
			fc.tuple(number, number).map(([a, b]) => `${a}-${b}`),
			fc.constantFrom("1-", "-1", "999999999-999999999999999"),
		),
	),
	fc.tuple(fc.constant("Upload-Offset"), number),
	fc.tuple(fc.constant("Accept"), fc.constantFrom("text/html", "text/event-stream", "*/*", "text/html;q=0, text/event-stream", "")),
	fc.tuple(
		fc.constantFrom(
			"If-None-Match",
			"Idempotency-Key",
			"Origin",
			"Cookie",
			"X-Request-Id",
			"X-Forwarded-Host",
			"Accept-Encoding",
			"If-Range",
			"Referer",
		),
		printableText,
	),
	fc.tuple(fc.constant("Accept-Encoding"), fc.constantFrom("gzip", "br", "identity;q=0", "*;q=0")),
);

const callers = fc.constantFrom<Caller>("admin", "admin", "admin", "session", "session", "lease", "agent", "registration", "anyone");
const methods = fc.constantFrom("GET", "GET", "GET", "GET", "HEAD", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS");

/** Whether the request would take away what the other cases need. */
const isDestructive = (method: string, target: string) => target.includes("{old") && (method === "DELETE" || target.includes("/delete"));

export const addressProperties: NetworkProperty[] = [
	networkProperty(
		"whatever is asked for is given or refused",
		{ weight: 14 },
		fc.tuple(methods, address, query, fc.array(header, { maxLength: 3 }), callers),
		async (target, [method, path, parameters, headers, as]) => {
			if (isDestructive(method, path)) return;
			const separator = path.includes("?") ? "" : "?";
			await target.ask({
				method,
				target: parameters === "" ? path : `${path}${separator}${parameters}`,
				as,
				headers,
				body: method === "GET" || method === "HEAD" ? null : bytesOf(""),
				mayPark: true,
			});
		},
	),
];
