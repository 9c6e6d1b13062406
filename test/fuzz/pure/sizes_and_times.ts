import * as fc from "fast-check";
import { formatBytes, parseBytes } from "../../../schema/wire/bytes.ts";
import { formatDuration, parseDuration } from "../../../schema/wire/duration.ts";
import { ApiError } from "../../../schema/wire/errors.ts";
import { rangeOf } from "../../../worker/http/ranges.ts";
import { type FuzzProperty, fuzzProperty } from "../fuzz_property.ts";
import { hostileText } from "../values/texts.ts";
import { inTime } from "./fast_enough.ts";

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type Unit = keyof typeof UNITS;

const durationPart = fc.tuple(fc.oneof(fc.nat(10_000), fc.maxSafeNat()), fc.constantFrom<Unit>("ms", "s", "m", "h", "d"));
const durationText = fc.oneof(
	fc.array(durationPart, { minLength: 1, maxLength: 4 }).map((parts) => parts.map(([amount, unit]) => `${amount}${unit}`).join("")),
	fc.tuple(fc.constantFrom("1m", "1", "ms", "s", "9"), fc.nat(50_000)).map(([unit, times]) => unit.repeat(times)),
	hostileText,
);

const sizeText = fc.oneof(
	fc.tuple(fc.maxSafeNat(), fc.constantFrom("", "k", "KiB", "mb", "G", "tib", "x", " k", "b")).map(([amount, unit]) => `${amount}${unit}`),
	hostileText,
);

function assertWhole(value: number | null, text: string): void {
	if (value === null || (Number.isSafeInteger(value) && value >= 0)) return;
	throw new Error(`${JSON.stringify(text)} became ${value}`);
}

const rangeText = fc.oneof(
	fc.tuple(fc.nat(3000), fc.nat(3000)).map(([from, to]) => `bytes=${from}-${to}`),
	fc.nat(3000).map((from) => `bytes=${from}-`),
	fc.nat(3000).map((last) => `bytes=-${last}`),
	fc.constantFrom(
		"bytes=-",
		"bytes=0-0,5-6",
		"bytes=9999999999999999999999-",
		`bytes=0-${"9".repeat(400)}`,
		"bytes= 0-1",
		"lines=1-2",
		"bytes=-0",
	),
);

export const sizeAndTimeProperties: FuzzProperty[] = [
	fuzzProperty("a duration is a whole number of milliseconds or none", { weight: 1 }, durationText, (text) => {
		const ms = inTime(text.length, () => parseDuration(text));
		assertWhole(ms, text);
		if (ms === null) return;
		const sum = [...text.matchAll(/(\d+)(ms|s|m|h|d)/g)].reduce(
			(all, [, amount, unit]) => all + BigInt(amount ?? 0) * BigInt(UNITS[unit as Unit]),
			0n,
		);
		if (BigInt(ms) !== sum) throw new Error(`${text} is ${sum} ms, not ${ms}`);
		if (!/^\d+(\.\d)?(ms|s|m|h|d)( \d+[smhd])?$/.test(formatDuration(ms))) throw new Error(`${ms} ms are ${formatDuration(ms)}`);
	}),
	fuzzProperty("a size is a whole number of bytes or none", { weight: 1 }, sizeText, (text) => {
		const bytes = inTime(text.length, () => parseBytes(text));
		assertWhole(bytes, text);
		if (bytes !== null && !/^\d+(\.\d)? (bytes|[KMGT]iB)$/.test(formatBytes(bytes)))
			throw new Error(`${bytes} bytes are ${formatBytes(bytes)}`);
	}),
	fuzzProperty("a range lies inside of what there is", { weight: 1 }, fc.tuple(rangeText, fc.nat(2500)), ([range, size]) => {
		const request = new Request("http://x/", { headers: { Range: range } });
		try {
			const found = rangeOf(request, size, null);
			if (found && !(found.start >= 0 && found.start < found.end && found.end <= size))
				throw new Error(`${range} of ${size} became ${JSON.stringify(found)}`);
		} catch (error) {
			if (!(error instanceof ApiError) || error.code !== "range_not_satisfiable") throw error;
		}
	}),
];
